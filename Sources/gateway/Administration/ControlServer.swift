import Backlog
import Glibc
import RPC
import Service

/// Answers the operator's commands about tickets, on a socket of its own: whoever may open it may read and delete
/// every ticket, so its mode is the gateway's own user's.
final class ControlServer: Sendable {
    /// Of the socket: who may connect.
    static let mode = 0o600
    /// How long a command under way may take to end when the gateway stops.
    static let stopPatience = Duration.seconds(1)

    private let socket: ListeningSocket
    private let server: RPCServer

    /// Takes no connection yet.
    ///
    /// - Parameter refused: told of each connection of a user who is neither root nor the gateway's own.
    init(
        backlog: Backlog, socket: ListeningSocket, refused: @escaping @Sendable (UInt32) -> Void
    ) {
        self.socket = socket
        server = RPCServer(
            handlers: BacklogProtocol.handlers(for: backlog),
            configuration: RPCServerConfiguration(
                name: "control", unaryThreads: 2, streamThreads: 1, requestBytesMax: 64 * 1_024,
                peers: [0, geteuid()], refused: refused))
    }

    /// Takes connections; to be called once.
    func start() throws(RPCError) {
        try server.start(listeningOn: socket.descriptor)
    }

    /// Takes no more commands, lets those under way end, and returns.
    func stop() {
        socket.unlink()
        server.stop(within: Self.stopPatience)
    }
}
