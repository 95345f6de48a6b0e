internal import Threads

/// The bounded hand-over of streaming calls from the threads that take them to those that carry
/// them out.
final class StreamPlaces: Sendable {
    private struct State {
        var waiting: [ServerSlot] = []
        /// Threads that wait for a call and are not yet spoken for.
        var free: Int
        var isClosed = false
    }

    private let state: Monitor<State>

    /// - Parameter count: how many threads serve.
    init(count: Int) {
        state = Monitor(State(free: count))
    }

    /// Gives the call to a free thread.
    ///
    /// - Returns: `false` if there is none.
    func offer(_ slot: ServerSlot) -> Bool {
        state.update(waking: .one) { state in
            guard state.free > 0, !state.isClosed else { return false }
            state.free -= 1
            state.waiting.append(slot)
            return true
        }
    }

    /// Waits for a call; `nil` when there will be none.
    func take() -> ServerSlot? {
        enum Next {
            case call(ServerSlot)
            case end
        }
        let next: Next? = state.wait { state in
            if !state.waiting.isEmpty { return .call(state.waiting.removeFirst()) }
            return state.isClosed ? .end : nil
        }
        guard case .call(let slot) = next else { return nil }
        return slot
    }

    /// A thread is free again.
    func giveBack() {
        state.update(waking: .one) { $0.free += 1 }
    }

    /// Lets the threads end when they have carried out what they were given.
    func close() {
        state.update(waking: .all) { $0.isClosed = true }
    }
}
