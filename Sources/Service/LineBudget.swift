private import Synchronization
private import Threads

/// How many lines of the log clients can cause: some at once, some each second. Whoever sends nonsense all day long must
/// not push everybody else's lines out of the journal.
public final class LineBudget: Sendable {
    private struct State {
        var tokens: Int64
        var filledAt: Int64
        var omitted = 0
    }

    private let atOnce: Int64
    private let nanosecondsPerLine: Int64
    private let clock: @Sendable () -> Int64
    private let state: Mutex<State>

    /// - Parameters:
    ///   - atOnce: how many lines may come at once.
    ///   - perSecond: how many more there may be each second, 1 to 1,000,000,000.
    public convenience init(atOnce: Int = 200, perSecond: Int = 20) {
        self.init(atOnce: atOnce, perSecond: perSecond) { MonotonicClock.now }
    }

    init(atOnce: Int, perSecond: Int, clock: @escaping @Sendable () -> Int64) {
        self.atOnce = Int64(atOnce)
        nanosecondsPerLine = 1_000_000_000 / Int64(perSecond)
        self.clock = clock
        state = Mutex(State(tokens: Int64(atOnce), filledAt: clock()))
    }

    /// Whether a line may be written: nil if not, else how many were left out before it.
    public func line() -> Int? {
        let now = clock()
        return state.withLock { state in
            let new = max(0, (now - state.filledAt) / nanosecondsPerLine)
            state.filledAt += new * nanosecondsPerLine
            state.tokens = min(atOnce, state.tokens + new)
            guard state.tokens > 0 else {
                state.omitted += 1
                return nil
            }
            state.tokens -= 1
            defer { state.omitted = 0 }
            return state.omitted
        }
    }
}
