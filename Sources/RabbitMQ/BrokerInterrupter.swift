internal import Glibc
internal import Synchronization

/// Ends what a connection is doing, from another thread and for good: calls under way and later ones throw `interrupted`.
/// While a host's name is looked up or its TCP connection made, only after that (`BrokerConfiguration.connectTime`).
public final class BrokerInterrupter: Sendable {
    private struct State {
        /// A descriptor of the connection's socket that the connection owns; -1: none.
        var socket: CInt = -1
        var isInterrupted = false
    }

    private let state = Mutex(State())

    /// One that has not been used.
    public init() {}

    /// Whether `interrupt` has been called.
    public var isInterrupted: Bool { state.withLock(\.isInterrupted) }

    /// Shuts the connection's socket down.
    public func interrupt() {
        state.withLock { state in
            state.isInterrupted = true
            // Under the lock, so that the descriptor is not closed and given to another meanwhile.
            if state.socket >= 0 { shutdown(state.socket, CInt(SHUT_RDWR)) }
        }
    }

    /// From now on `interrupt` reaches this socket.
    func attach(_ socket: CInt) {
        state.withLock { state in
            state.socket = socket
            if state.isInterrupted { shutdown(socket, CInt(SHUT_RDWR)) }
        }
    }

    /// To be called before the descriptor is closed.
    func detach(_ socket: CInt) {
        state.withLock { if $0.socket == socket { $0.socket = -1 } }
    }
}
