public import Logging
private import Synchronization
public import Threads

/// Says to systemd again and again that the service is alive, as long as it really is: a service that hangs is ended and
/// started again (`WatchdogSec=` in systemd.service(5)).
public final class Watchdog: Sendable {
    /// What asking a service has shown.
    public enum Finding: Sendable {
        case alive
        case hung
        /// Nobody can reach it; there is a line of the log that says why.
        case unreachable
    }

    /// Of the interval in which systemd wants to hear of the service: how many times it does.
    static let beatsPerInterval: Int64 = 4

    private let notifier: ServiceNotifier
    private let pause: Duration
    private let log: Logger
    private let probe: @Sendable () -> Finding
    private let isStopped = Monitor(false)
    private let thread = Mutex<WorkerThread?>(nil)

    /// - Parameters:
    ///   - interval: how often systemd wants to hear of the service (``ServiceNotifier/watchdogInterval()``).
    ///   - probe: asks the service for something by the way that its clients take, and says what came of it; should
    ///     return within a quarter of the interval.
    public init(
        _ notifier: ServiceNotifier, interval: Duration, log: Logger,
        probe: @escaping @Sendable () -> Finding
    ) {
        self.notifier = notifier
        self.log = log
        self.probe = probe
        pause = interval / Int(Self.beatsPerInterval)
    }

    /// Begins; to be called once.
    public func start() throws(WorkerThread.Failure) {
        let watcher = try WorkerThread(name: "watchdog") { [self] in run() }
        thread.withLock { $0 = watcher }
    }

    /// Ends the thread, and returns when it has ended.
    public func stop() {
        isStopped.update(waking: .all) { $0 = true }
        let watcher = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        watcher?.join()
    }

    private func run() {
        var before = Finding.alive
        while true {
            let found = probe()
            if found == .alive { notifier.alive() }
            if found == .hung, before != .hung {
                log.error(
                    "does not answer itself; is ended and started again if that lasts",
                    metadata: ["EVENT_NAME": "\(ServiceEvent.hung.rawValue)"])
            }
            before = found
            let next = MonotonicClock.now + pause.wholeNanoseconds
            let isOver: Bool? = isStopped.wait(until: next) { $0 ? true : nil }
            if isOver != nil { return }
        }
    }
}
