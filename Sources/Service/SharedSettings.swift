private import Glibc
public import Logging

/// The settings that more than one service reads, and the names of all there are.
public struct SharedSettings: Sendable {
    /// Every variable of the three services.
    public static let allNames: Set<String> = [
        "PASARELA_ANSWER_LIFE",
        "PASARELA_BACKLOG_BYTES",
        "PASARELA_BACKLOG_TICKETS",
        "PASARELA_CONFIGURATION_FILE",
        "PASARELA_CONTROL_SOCKET",
        "PASARELA_DEADLINE",
        "PASARELA_FAIL_POINT",
        "PASARELA_GATEWAY_SOCKET",
        "PASARELA_HIDDEN",
        "PASARELA_LOG_LEVEL",
        "PASARELA_LOG_REQUESTS",
        "PASARELA_METRICS",
        "PASARELA_MSERV1_SOCKET",
        "PASARELA_MSERV2_SOCKET",
        "PASARELA_PATIENCE",
        "PASARELA_PEERS",
        "PASARELA_RABBITMQ_CA_FILE",
        "PASARELA_RABBITMQ_CREDENTIALS_FILE",
        "PASARELA_RABBITMQ_URL",
        "PASARELA_REPLAY_RATE",
        "PASARELA_ROOT",
        "PASARELA_RPC_THREADS",
        "PASARELA_RUNTIME_DIR",
        "PASARELA_SLOW_REQUEST",
        "PASARELA_SOCKET_MODE",
        "PASARELA_SORT_BYTES_MAX",
        "PASARELA_STATE_DIR",
        "PASARELA_STREAMS",
        "PASARELA_STREAM_LIFE",
        "PASARELA_TICKET_ATTEMPTS",
        "PASARELA_TICKET_LIFE",
        "PASARELA_TRACE_LIFE",
        "PASARELA_TREE",
        "PASARELA_TREE_KEY_FILE",
        "PASARELA_WALK_BUDGET",
        "PASARELA_WORKERS",
        "PASARELA_WRITE_TIMEOUT",
    ]

    /// The folder of the sockets.
    public let runtimeFolder: Setting<String>
    /// The socket that nginx speaks to.
    public let gatewaySocket: Setting<String>
    /// The socket that the command line speaks to.
    public let controlSocket: Setting<String>
    /// The socket of mserv1.
    public let mserv1Socket: Setting<String>
    /// The socket of mserv2.
    public let mserv2Socket: Setting<String>
    /// What is logged.
    public let logLevel: Setting<Logger.Level>
    /// Whether each request is logged.
    public let logRequests: Setting<Bool>
    /// From when on a request is slow, and so logged.
    public let slowRequest: Setting<Duration>

    /// The settings as they are for this environment: the sockets' default depends on the runtime folder.
    public init(_ settings: Settings) throws(Settings.Flaw) {
        runtimeFolder = .path(
            "PASARELA_RUNTIME_DIR", fallback: Self.defaultRuntimeFolder(settings),
            purpose: "folder of the sockets")
        let folder = try settings.value(runtimeFolder)
        gatewaySocket = .socket(
            "PASARELA_GATEWAY_SOCKET", fallback: "\(folder)/gateway.sock",
            purpose: "FastCGI socket, for nginx")
        controlSocket = .socket(
            "PASARELA_CONTROL_SOCKET", fallback: "\(folder)/gateway-control.sock",
            purpose: "gRPC socket of gateway, for its command line")
        mserv1Socket = .socket(
            "PASARELA_MSERV1_SOCKET", fallback: "\(folder)/mserv1.sock",
            purpose: "gRPC socket of mserv1")
        mserv2Socket = .socket(
            "PASARELA_MSERV2_SOCKET", fallback: "\(folder)/mserv2.sock",
            purpose: "gRPC socket of mserv2")
        logLevel = .logLevel("PASARELA_LOG_LEVEL", fallback: .info, purpose: "what is logged")
        logRequests = .flag(
            "PASARELA_LOG_REQUESTS", fallback: false,
            purpose: "log each request, not only failed and slow ones")
        slowRequest = .seconds(
            "PASARELA_SLOW_REQUEST", fallback: "1", in: 0...3_600,
            purpose: "from when on a request is logged as slow")
    }

    /// Where the sockets are when nobody says so: root's in /run; a user's in the session's runtime folder, or else
    /// in /tmp beneath a name of the user's own.
    private static func defaultRuntimeFolder(_ settings: Settings) -> String {
        if getuid() == 0 { return "/run/pasarela" }
        if let session = settings[foreign: "XDG_RUNTIME_DIR"], session.hasPrefix("/") {
            return "\(session)/pasarela"
        }
        return "/tmp/pasarela-\(getuid())"
    }
}
