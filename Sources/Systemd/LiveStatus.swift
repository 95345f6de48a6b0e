private import Synchronization
public import Threads

/// Keeps the line that `systemctl status` shows of a service true to the moment.
///
/// On a thread of its own, which nobody waits for: what it asks may hang with the disk that it asks about.
public final class LiveStatus: Sendable {
    private let notifier: ServiceNotifier
    private let pause: Duration
    private let text: @Sendable () -> String
    private let shown: Mutex<String>
    private let isStopped = Monitor(false)

    /// - Parameters:
    ///   - first: what is shown at the start.
    ///   - pause: from one look to the next.
    ///   - text: what there is to say now: one line, and the same one as long as nothing has changed.
    public init(
        _ notifier: ServiceNotifier, first: String, every pause: Duration = .seconds(2),
        text: @escaping @Sendable () -> String
    ) {
        self.notifier = notifier
        self.pause = pause
        self.text = text
        shown = Mutex(first)
    }

    /// What was found last.
    public var latest: String { shown.withLock { $0 } }

    /// Begins; to be called once.
    public func start() throws(WorkerThread.Failure) {
        _ = try WorkerThread(name: "status") { [self] in run() }
    }

    /// Says nothing more.
    public func stop() {
        isStopped.update(waking: .all) { $0 = true }
    }

    private func run() {
        while true {
            let now = text()
            let isNew = shown.withLock { shown in
                defer { shown = now }
                return shown != now
            }
            let isOver = isStopped.update(waking: .none) { isStopped in
                // Under the lock: nothing is said after ``stop()``.
                if !isStopped, isNew { notifier.status(now) }
                return isStopped
            }
            if isOver { return }
            let next = MonotonicClock.now + pause.wholeNanoseconds
            let end: Bool? = isStopped.wait(until: next) { $0 ? true : nil }
            if end != nil { return }
        }
    }
}
