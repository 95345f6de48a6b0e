private import Synchronization

/// How many calls a daemon has answered.
final class CallCount: Sendable {
    /// Sees whether calls are answered.
    final class Observer: Sendable {
        private let calls: CallCount
        private let seen: Atomic<Int>

        fileprivate init(_ calls: CallCount) {
            self.calls = calls
            seen = Atomic(calls.count)
        }

        /// Whether one has been answered since this was asked last.
        func hasMoved() -> Bool {
            let now = calls.count
            return seen.exchange(now, ordering: .relaxed) != now
        }
    }

    private let value = Atomic(0)

    var count: Int { value.load(ordering: .relaxed) }

    func add() { value.wrappingAdd(1, ordering: .relaxed) }

    func observer() -> Observer { Observer(self) }
}
