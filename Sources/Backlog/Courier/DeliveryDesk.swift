internal import RabbitMQ
internal import Threads

/// What other threads tell the consumer's: outcomes of deliveries, the services' health, that it is time to end.
final class DeliveryDesk: Sendable {
    /// What is to become of a delivery.
    enum Verdict: Sendable, Hashable {
        case acknowledge
        case requeue
        case reject
    }

    private struct State: Sendable {
        /// Deliveries of earlier connections are void.
        var connection = 0
        var verdicts: [(tag: UInt64, verdict: Verdict)] = []
        var well: Set<String> = []
        var isEnding = false
        var wake: WakeUp?
    }

    private let state = Monitor(State())

    /// The descriptor that ends the consumer's wait; made once.
    func wakeUp() throws(RabbitMQError) -> WakeUp {
        if let wake = state.update(waking: .none, { $0.wake }) { return wake }
        let made = try WakeUp()
        state.update(waking: .none) { $0.wake = made }
        return made
    }

    // MARK: From other threads

    func tell(_ service: String, isWell: Bool) {
        signal { state in
            if isWell {
                state.well.insert(service).inserted
            } else {
                state.well.remove(service) != nil
            }
        }
    }

    func end() {
        signal { state in
            state.isEnding = true
            return true
        }
    }

    /// - Parameter connection: as `connection` was when the delivery came.
    func decide(_ verdict: Verdict, _ tag: UInt64, of connection: Int) {
        signal { state in
            guard connection == state.connection else { return false }
            state.verdicts.append((tag, verdict))
            return true
        }
    }

    /// - Parameter change: returns whether the consumer must look.
    private func signal(_ change: (inout State) -> Bool) {
        let wake = state.update(waking: .all) { state in change(&state) ? state.wake : nil }
        wake?.signal()
    }

    // MARK: From the consumer's thread

    var isEnding: Bool { state.update(waking: .none) { $0.isEnding } }

    var connection: Int { state.update(waking: .none) { $0.connection } }

    var well: Set<String> { state.update(waking: .none) { $0.well } }

    func takeVerdicts() -> [(tag: UInt64, verdict: Verdict)] {
        state.update(waking: .none) { state in
            defer { state.verdicts = [] }
            return state.verdicts
        }
    }

    /// The connection is gone, and with it every delivery.
    func voidAll() {
        state.update(waking: .none) { state in
            state.connection += 1
            state.verdicts = []
        }
    }

    /// Waits so many nanoseconds, or until it is time to end.
    func pause(_ nanoseconds: Int64) {
        _ = state.wait(until: MonotonicClock.now + nanoseconds) { $0.isEnding ? true : nil }
    }
}
