import Backlog
import Glibc
import Logging
import Service

/// What the gateway reads from its environment.
struct GatewayConfiguration: Sendable {
    let socketPath: String
    let socketMode: Int
    /// Which users may connect, there and to the command line's socket.
    let peers: PeerList
    let mserv1Socket: String
    let mserv2Socket: String
    let controlSocket: String
    /// The key of the cursors, which outlives a restart in the state folder; where the hosts of a tree share a key, one
    /// made of that.
    let cursorKey: [UInt8]
    let tickets: TicketConfiguration
    /// Who may read the figures.
    let metricsAudience: MetricsAudience
    /// Where to kill the gateway, for tests.
    let failPoint: String?
    /// Requests that are carried at the same time.
    let workers: Int
    /// Whole lists that are streamed at the same time, besides.
    let streams: Int
    /// How long a whole list may take.
    let streamLife: Duration
    /// How long one write of a stream may wait for nginx, and so for a client.
    let writeTimeout: Duration
    /// How long a request waits for a daemon that is absent.
    let patience: Duration
    /// How long a daemon may take for an answer.
    let deadline: Duration
    let slowRequest: Duration
    let logRequests: Bool
    let logLevel: Logger.Level

    init(_ settings: Settings) throws(Settings.Flaw) {
        let shared = try SharedSettings(settings)
        let own = OwnSettings(settings)
        socketPath = try settings.value(shared.gatewaySocket)
        socketMode = try settings.value(own.socketMode)
        peers = try PeerList(settings)
        controlSocket = try settings.value(shared.controlSocket)
        mserv1Socket = try settings.value(shared.mserv1Socket)
        mserv2Socket = try settings.value(shared.mserv2Socket)
        let folder = try settings.value(own.stateFolder)
        let ownKey = try Self.cursorKey(inFolder: folder)
        tickets = try TicketConfiguration(
            settings, folder: folder, services: ["mserv1", "mserv2"])
        cursorKey = tickets.treeKey?.derived(for: "cursors").bytes ?? ownKey
        metricsAudience = try settings.value(own.metricsAudience)
        failPoint = try settings.value(own.failPoint)
        workers = try settings.value(own.workers)
        streams = try settings.value(own.streams)
        streamLife = try settings.value(own.streamLife)
        writeTimeout = try settings.value(own.writeTimeout)
        patience = try settings.value(own.patience)
        deadline = try settings.value(own.deadline)
        slowRequest = try settings.value(shared.slowRequest)
        logRequests = try settings.value(shared.logRequests)
        logLevel = try settings.value(shared.logLevel)
    }

    private static func cursorKey(inFolder folder: String) throws(Settings.Flaw) -> [UInt8] {
        do {
            try OwnFolder.make(folder, mode: 0o700)
            return try CursorSeal.key(inFolder: folder)
        } catch {
            throw Settings.Flaw("PASARELA_STATE_DIR", "\(error)")
        }
    }

    /// The settings that only the gateway has.
    private struct OwnSettings {
        let socketMode = Setting.mode(
            "PASARELA_SOCKET_MODE", fallback: "0666",
            purpose: "who may connect to the socket: nginx has to")
        let stateFolder: Setting<String>
        let workers = Setting.integer(
            "PASARELA_WORKERS", fallback: 128, in: 1...256,
            purpose: "requests that are carried at the same time")
        let streams = Setting.integer(
            "PASARELA_STREAMS", fallback: 16, in: 1...32,
            purpose: "whole lists that are streamed at the same time")
        let streamLife = Setting.seconds(
            "PASARELA_STREAM_LIFE", fallback: "3600", in: 1...86_400,
            purpose: "how long the stream of a whole list may take")
        let writeTimeout = Setting.seconds(
            "PASARELA_WRITE_TIMEOUT", fallback: "60", in: 1...3_600,
            purpose: "how long a client of a whole list may read nothing")
        let patience = Setting.seconds(
            "PASARELA_PATIENCE", fallback: "1", in: 0...30,
            purpose: "how long a request waits for a daemon that is absent")
        let metricsAudience = Setting<MetricsAudience>.choice(
            "PASARELA_METRICS", fallback: .loopback, purpose: "who may read /metricas")
        let failPoint = Setting.optional(
            "PASARELA_FAIL_POINT", takes: "a name of --fail-points, or NAME:N for its N-th passing",
            purpose: "for tests: where the gateway kills itself"
        ) { FailPoint.isPassing($0) ? $0 : nil }
        let deadline = Setting.seconds(
            "PASARELA_DEADLINE", fallback: "10", in: 1...30,
            purpose: "how long a daemon may take for an answer")

        init(_ settings: Settings) {
            stateFolder = .path(
                "PASARELA_STATE_DIR", fallback: Self.defaultStateFolder(settings),
                purpose: "folder of what outlives a restart")
        }

        /// Where state is when nobody says so: root's in /var/lib; a user's by the XDG Base Directory Specification.
        private static func defaultStateFolder(_ settings: Settings) -> String? {
            if getuid() == 0 { return "/var/lib/pasarela" }
            if let state = settings[foreign: "XDG_STATE_HOME"], state.hasPrefix("/") {
                return "\(state)/pasarela"
            }
            return settings[foreign: "HOME"].map { "\($0)/.local/state/pasarela" }
        }
    }

    /// The variables, for `--help`.
    static func table(_ settings: Settings) -> SettingTable {
        var table = SettingTable()
        let own = OwnSettings(settings)
        table.add(own.stateFolder)
        table.add(own.workers)
        table.add(own.streams)
        table.add(own.streamLife)
        table.add(own.writeTimeout)
        table.add(own.patience)
        table.add(own.deadline)
        TicketConfiguration.add(to: &table, settings)
        table.add(own.metricsAudience)
        // An environment that can't be read shows its flaw when the service starts; the help is shown without it.
        if let shared = try? SharedSettings(settings) {
            table.add(shared.runtimeFolder)
            table.add(shared.gatewaySocket)
            table.add(own.socketMode)
            table.add(PeerList.setting)
            table.add(shared.controlSocket)
            table.add(shared.mserv1Socket)
            table.add(shared.mserv2Socket)
            table.add(shared.logLevel)
            table.add(shared.logRequests)
            table.add(shared.slowRequest)
        }
        return table
    }
}
