private import CLinux
private import Glibc
public import Logging
private import Synchronization
public import Systemd

/// What a running service has to do with whoever started it: the sockets it was given, what it says of itself, and what
/// it is told: to stop, or to read its configuration again.
public struct Supervision<Configuration>: Sendable {
    private let notifier = ServiceNotifier.ofProcess()
    private let sockets: InheritedSockets
    private let watchdogInterval = ServiceNotifier.watchdogInterval()
    private let first: Settings
    private let restartSettings: Set<String>
    private let logLevel: @Sendable (Configuration) -> Logger.Level
    private let read: @Sendable () throws(Settings.Flaw) -> (Settings, Configuration)
    /// Of the sockets that systemd has opened: a service can't make them anew by itself.
    private let inheritedPaths = PathList()

    /// - Parameters:
    ///   - first: what the service starts with.
    ///   - restartSettings: those of which the first values count until the end.
    ///   - read: what there is to start with now.
    init(
        _ first: Settings, restartSettings: Set<String>,
        logLevel: @escaping @Sendable (Configuration) -> Logger.Level,
        read: @escaping @Sendable () throws(Settings.Flaw) -> (Settings, Configuration)
    ) throws(InheritedSockets.Failure) {
        self.first = first
        self.restartSettings = restartSettings
        self.logLevel = logLevel
        self.read = read
        sockets = try InheritedSockets.ofProcess()
    }

    /// The socket of this name that systemd has opened, or else one of the service's own at the path.
    ///
    /// - Parameter isVital: without it the service is no use: where somebody removes it, the watchdog has systemd start
    ///   the service, and so the socket, anew.
    public func socket(
        _ name: String, path: String, mode: Int, isVital: Bool = true
    ) throws(ListeningSocket.Failure) -> ListeningSocket {
        if let descriptor = sockets.descriptor(named: name) {
            let place = InheritedSockets.path(of: descriptor)
            guard place == path else {
                throw ListeningSocket.Failure(
                    description: "\(path): systemd listens at \(place ?? "no path") "
                        + "(ListenStream= of \(name).socket)")
            }
            if isVital { inheritedPaths.add(path) }
            return ListeningSocket(inherited: descriptor, path: path)
        }
        do throws(ListeningSocket.Failure) {
            return try ListeningSocket(path: path, mode: mode)
        } catch {
            guard notifier.isHeard else { throw error }
            throw ListeningSocket.Failure(
                description: "systemd has passed no socket named \(name) (systemctl status "
                    + "\(name).socket), and an own one can't be made: \(error.description)")
        }
    }

    /// Before the process ends because it can't start: takes the connections that wait at systemd's sockets and closes
    /// them, for a while. So clients hear at once that there is no answer here, and a service that is started again and
    /// again does so in a slow loop. Without systemd it does nothing.
    func turnAway(for pause: Duration) {
        guard notifier.isHeard else { return }
        notifier.status("can't start; the journal says why")
        sockets.turnAway(for: pause)
    }

    /// The last word.
    func ended() {
        notifier.status("stopped")
    }

    /// Says that the service serves, and returns when it is to stop. Meanwhile the watchdog is fed while `probe` finds the
    /// service alive, and at each reload a new configuration that is good is handed to `apply`, with a log of its level.
    ///
    /// - Parameters:
    ///   - purpose: what it serves and where, for the log and, at first, for `systemctl status`.
    ///   - status: what `systemctl status` shows then: a line that tells how the service is now. May block.
    ///   - probe: asks the service for something by the way that its clients take; within a second or two.
    ///   - apply: makes the new configuration the one that counts. Throws what keeps it from that: the old one stays.
    public func run(
        _ purpose: String, status: @escaping @Sendable () -> String, log: Logger,
        probe: @escaping @Sendable () -> Bool, apply: (Configuration, Logger) throws -> Void
    ) throws {
        let status = LiveStatus(notifier, first: purpose, text: status)
        let watchdog = watchdogInterval.map {
            // A socket that is gone comes back with a restart only.
            Watchdog(notifier, interval: $0, log: log) { [inheritedPaths] in
                guard inheritedPaths.areSockets(log) else { return .unreachable }
                return probe() ? .alive : .hung
            }
        }
        try watchdog?.start()
        log.info("ready: \(purpose)", metadata: .event(.ready))
        notifier.ready(purpose)
        try status.start()
        // What the start has run through: half of the code that is mapped, and never used again.
        clinux_unmap_code()
        // Without a file there is nothing that could have changed.
        let canReload = first[foreign: Settings.fileVariable] != nil
        while ServiceSignals.next() == .reload, canReload { reload(status, log, apply) }
        log.info("stopping", metadata: .event(.stopping))
        status.stop()
        notifier.stopping("lets requests under way end")
        watchdog?.stop()
    }

    private func reload(
        _ status: LiveStatus, _ log: Logger, _ apply: (Configuration, Logger) throws -> Void
    ) {
        notifier.reloading()
        do {
            let (settings, configuration) = try read()
            var log = log
            log.logLevel = logLevel(configuration)
            try apply(configuration, log)
            log.notice("reloaded", metadata: .event(.reloaded))
            let waiting = restartSettings.filter { settings[foreign: $0] != first[foreign: $0] }
            if !waiting.isEmpty {
                log.warning("from a restart on only: \(waiting.sorted().joined(separator: ", "))")
            }
        } catch {
            log.error(
                "reload refused, the old configuration stays: \(error)",
                metadata: .event(.reloadRefused))
        }
        notifier.ready(status.latest)
    }
}

/// Paths that clients connect by.
private final class PathList: Sendable {
    private struct State {
        var paths: [String] = []
        var isMissed = false
    }

    private let state = Mutex(State())

    func add(_ path: String) {
        state.withLock { $0.paths.append(path) }
    }

    /// Whether a socket is at each of them. The first time that one is not is a line of the log.
    func areSockets(_ log: Logger) -> Bool {
        let (missing, isNew) = state.withLock { state in
            let missing = state.paths.first { path in
                var status = stat()
                return stat(path, &status) != 0 || status.st_mode & S_IFMT != S_IFSOCK
            }
            defer { state.isMissed = missing != nil }
            return (missing, !state.isMissed)
        }
        guard let missing else { return true }
        if isNew {
            log.error("the socket \(missing) is gone", metadata: .event(.socketGone))
        }
        return false
    }
}

extension Logger.Metadata {
    /// The field that makes a line one that an operator must see.
    public static func event(_ event: ServiceEvent) -> Logger.Metadata {
        ["EVENT_NAME": "\(event.rawValue)"]
    }
}
