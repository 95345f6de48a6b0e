import Backlog
import RPC
import Service
import Synchronization

/// Answers the operator's commands about tickets, on a socket of its own: whoever may open it may read and delete
/// every ticket, so its mode is the gateway's own user's.
final class ControlServer: Sendable {
    /// Of the socket: who may connect.
    static let mode = 0o600
    /// How long a command under way may take to end when the gateway stops.
    static let stopPatience = Duration.seconds(1)

    private let path: String
    private let server: RPCServer
    private let socket = Mutex<ListeningSocket?>(nil)

    /// Listens to nobody yet.
    ///
    /// - Parameter path: of the socket, at most 107 bytes.
    init(backlog: Backlog, path: String) {
        self.path = path
        server = RPCServer(
            handlers: BacklogProtocol.handlers(for: backlog),
            configuration: RPCServerConfiguration(
                name: "control", unaryThreads: 2, streamThreads: 1, requestBytesMax: 64 * 1_024))
    }

    /// Listens; to be called once.
    ///
    /// - Throws: ``ListeningSocket/Failure`` or ``RPCError``, each in one line.
    func start() throws {
        let listening = try ListeningSocket(path: path, mode: Self.mode)
        try server.start(listeningOn: listening.descriptor)
        socket.withLock { $0 = listening }
    }

    /// Takes no more commands, lets those under way end, and returns.
    func stop() {
        socket.withLock { socket in
            socket?.unlink()
            socket = nil
        }
        server.stop(within: Self.stopPatience)
    }
}
