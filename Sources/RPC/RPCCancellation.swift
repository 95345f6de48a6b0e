internal import Synchronization

/// Gives up calls from another thread than the one that waits for them.
public final class RPCCancellation: Sendable {
    private struct State {
        var isCancelled = false
        /// What is under way, and which of its calls.
        var call: (ClientCall, UInt64)?
    }

    private let state = Mutex(State())

    /// Cancels nothing yet.
    public init() {}

    /// Whether ``cancel()`` was called.
    public var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Ends the call under way, if any, and each later one that is made with this, as `cancelled`. Does not wait.
    public func cancel() {
        state.withLock { state in
            state.isCancelled = true
            if let (call, serial) = state.call { call.cancel(serial) }
        }
    }

    /// A call begins.
    func attach(_ call: ClientCall) {
        state.withLock { state in
            state.call = (call, call.serial)
            if state.isCancelled { call.cancel(call.serial) }
        }
    }

    /// It has ended.
    func detach() {
        state.withLock { $0.call = nil }
    }
}
