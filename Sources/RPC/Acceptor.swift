internal import CGRPC
internal import CLinux
internal import Glibc

/// Takes connections on a listening socket and hands them to a gRPC server.
///
/// `@unchecked Sendable`: all is written in `init`; the gRPC server outlives the thread that is in
/// `run`.
final class Acceptor: @unchecked Sendable {
    private let listener: CInt
    /// Becomes readable when the thread is to end. (Shutting the listener down would stop it for
    /// whoever else holds it, such as systemd.)
    private let wake: CInt
    private let server: OpaquePointer
    private let peers: Set<UInt32>?
    private let refused: @Sendable (UInt32) -> Void

    /// Takes ownership of `listener`. See `RPCServerConfiguration` for the others.
    init(
        listener: CInt, server: OpaquePointer, peers: Set<UInt32>?,
        refused: @escaping @Sendable (UInt32) -> Void
    ) {
        self.listener = listener
        self.server = server
        self.peers = peers
        self.refused = refused
        wake = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
    }

    deinit {
        close(wake)
        close(listener)
    }

    /// How long it waits when the process has no descriptor left, in milliseconds.
    private static let exhaustionPause: CInt = 50

    /// To be called before `run`.
    func prepare() throws(RPCError) {
        guard wake >= 0 else {
            throw RPCError(.resourceExhausted, "eventfd: no descriptor is left")
        }
        // Another process may take the connection between `poll` and `accept`.
        guard fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK) == 0 else {
            throw RPCError(
                .invalidArgument, "the listening socket: \(String(cString: strerror(errno)))")
        }
    }

    /// Ends `run` soon.
    func stop() {
        eventfd_write(wake, 1)
    }

    /// Takes connections until `stop`.
    func run() {
        let credentials = cgrpc_insecure_server_credentials()
        defer { grpc_server_credentials_release(credentials) }
        while wait(alsoForListener: true, milliseconds: -1) {
            // All that wait, then back to `poll`.
            taking: while true {
                let flags = CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
                let connection = clinux_accept4(listener, flags)
                if connection >= 0 {
                    guard isWelcome(connection) else {
                        close(connection)
                        continue
                    }
                    grpc_server_add_channel_from_fd(server, connection, credentials)
                    continue
                }
                switch errno {
                case EINTR, ECONNABORTED: continue
                case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                    // The listener stays readable: without a pause this would spin.
                    guard wait(alsoForListener: false, milliseconds: Self.exhaustionPause) else {
                        return
                    }
                default: break taking
                }
            }
        }
    }

    private func isWelcome(_ connection: CInt) -> Bool {
        guard let peers else { return true }
        var user: UInt32 = .max
        guard clinux_peer_user(connection, &user) == 0, peers.contains(user) else {
            refused(user)
            return false
        }
        return true
    }

    /// - Returns: `false` when the thread is to end.
    private func wait(alsoForListener: Bool, milliseconds: CInt) -> Bool {
        var polls = [
            pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
            pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
        ]
        let result = poll(&polls, alsoForListener ? 2 : 1, milliseconds)
        return result < 0 || polls[0].revents == 0
    }
}
