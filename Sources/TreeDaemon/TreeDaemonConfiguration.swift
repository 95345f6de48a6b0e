public import Logging
public import RootedFiles
public import Service

/// What mserv1 and mserv2 both read from their environment.
public struct TreeDaemonConfiguration: Sendable {
    /// The served tree, which may not be there yet.
    public let tree: ServedTree
    /// Its path, for the log.
    public let rootPath: String
    /// Where the daemon listens.
    public let socketPath: String
    /// Who may connect.
    public let socketMode: Int
    /// Which users may connect.
    public let peers: PeerList
    /// Threads that answer calls.
    public let rpcThreads: Int
    /// Bytes that the names of streams that are being sorted may take.
    public let sortBytesMax: Int
    /// From when on a call is logged as slow.
    public let slowRequest: Duration
    /// Whether each call is logged.
    public let logRequests: Bool
    /// What is logged.
    public let logLevel: Logger.Level

    private static let root = Setting.path(
        "PASARELA_ROOT", fallback: nil, purpose: "the folder that is served")
    private static let hidden = Setting.flag(
        "PASARELA_HIDDEN", fallback: false,
        purpose: "serve names that start with a dot to those who ask for them")
    private static let socketMode = Setting.mode(
        "PASARELA_SOCKET_MODE", fallback: "0600", purpose: "who may connect to the socket")
    private static let rpcThreads = Setting.integer(
        "PASARELA_RPC_THREADS", fallback: 8, in: 1...256, purpose: "threads that answer calls")

    private static let sortBytesMax = Setting.integer(
        "PASARELA_SORT_BYTES_MAX", fallback: 256 << 20, in: (1 << 20)...(64 << 30),
        purpose: "bytes that names sorted for streams may take together, one stream half of it")

    /// What counts from a restart on only.
    public static let restartSettings: Set<String> = [
        "PASARELA_RUNTIME_DIR", "PASARELA_MSERV1_SOCKET", "PASARELA_MSERV2_SOCKET",
        "PASARELA_SOCKET_MODE", "PASARELA_PEERS", "PASARELA_RPC_THREADS", "PASARELA_LOG_LEVEL",
    ]

    /// Reads the configuration. A tree that is not there is no flaw of it (``checkTree()``): it may be mounted later.
    ///
    /// - Parameter socket: which of the shared settings is this daemon's socket.
    public init(
        _ settings: Settings, socket: (SharedSettings) -> Setting<String>
    ) throws(Settings.Flaw) {
        let shared = try SharedSettings(settings)
        rootPath = try settings.value(Self.root)
        socketPath = try settings.value(socket(shared))
        socketMode = try settings.value(Self.socketMode)
        rpcThreads = try settings.value(Self.rpcThreads)
        sortBytesMax = try settings.value(Self.sortBytesMax)
        slowRequest = try settings.value(shared.slowRequest)
        logRequests = try settings.value(shared.logRequests)
        logLevel = try settings.value(shared.logLevel)
        peers = try PeerList(settings)
        tree = ServedTree(
            root: Root(awaiting: rootPath), servesHidden: try settings.value(Self.hidden))
    }

    /// Opens the tree once.
    ///
    /// - Throws: ``Settings/Flaw`` where it is missing, no folder or may not be read.
    public func checkTree() throws(Settings.Flaw) {
        do {
            _ = try Root(path: rootPath)
        } catch {
            throw Settings.Flaw("PASARELA_ROOT", "\(rootPath) \(error.description)")
        }
    }

    /// The variables, for `--help`.
    public static func table(
        _ settings: Settings, socket: (SharedSettings) -> Setting<String>
    ) -> SettingTable {
        var table = SettingTable()
        table.add(root)
        table.add(hidden)
        // An environment that can't be read shows its flaw when the service starts; the help is shown without it.
        if let shared = try? SharedSettings(settings) {
            table.add(shared.runtimeFolder)
            table.add(socket(shared))
            table.add(socketMode)
            table.add(PeerList.setting)
            table.add(rpcThreads)
            table.add(sortBytesMax)
            table.add(shared.logLevel)
            table.add(shared.logRequests)
            table.add(shared.slowRequest)
        }
        return table
    }
}
