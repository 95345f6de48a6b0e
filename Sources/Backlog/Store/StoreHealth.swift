internal import Synchronization

/// How the database stands, from what its thread meets. What comes and goes within seconds is told once.
final class StoreHealth: Sendable {
    private struct Met {
        var state = StoreState.open
        var isDamaged = false
        var lastFailure: Int64 = 0
    }

    /// In nanoseconds: it is well again when nothing has failed for so long.
    static let quietTime: Int64 = 3_000_000_000

    private let met = Mutex(Met())
    private let told: @Sendable (StoreState) -> Void

    /// - Parameter told: hears of each change.
    init(told: @escaping @Sendable (StoreState) -> Void) {
        self.told = told
    }

    /// The disk has taken nothing lately: it is worth writing something to see whether it does again.
    var isFull: Bool {
        met.withLock { if case .full = $0.state { true } else { false } }
    }

    /// Something failed.
    ///
    /// - Parameters:
    ///   - isDamage: the file is damaged: reading another part of it proves nothing.
    ///   - now: nanoseconds of a monotonic clock.
    func failed(_ error: BacklogError, isDamage: Bool, now: Int64) {
        let changed = met.withLock { met -> StoreState? in
            met.lastFailure = now
            let found: StoreState =
                error.code == .full ? .full(error.message) : .broken(error.message)
            switch (met.state, found) {
            case (.full, .full), (.broken, .broken): break
            case (.broken, _) where met.isDamaged: break
            default:
                met.state = found
                met.isDamaged = isDamage
                return found
            }
            met.isDamaged = met.isDamaged || isDamage
            return nil
        }
        if let changed { told(changed) }
    }

    /// Something was done.
    ///
    /// - Parameter isChange: it was written; that something was read says nothing of a full disk.
    func succeeded(isChange: Bool, now: Int64) {
        let isWell = met.withLock { met in
            switch met.state {
            case .open: return false
            case .full where !isChange: return false
            case .full, .broken: break
            }
            guard !met.isDamaged, now - met.lastFailure >= Self.quietTime else { return false }
            met.state = .open
            return true
        }
        if isWell { told(.open) }
    }
}
