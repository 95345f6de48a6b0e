import Logging
import Service
import Synchronization
import Systemd
import Threads

/// Knows whether a daemon is well, because it asks: often while somebody waits for it, else once a second.
///
/// Those who miss a daemon wait here instead of trying by themselves: one asks for all. A change is one log line.
final class DaemonWatch: Sendable {
    private struct State {
        /// nil: not asked yet.
        var isWell: Bool?
        /// When the last check began that found the daemon well, in nanoseconds of `CLOCK_MONOTONIC`.
        var wellSince: Int64?
        /// Requests that wait for its return.
        var waiting = 0
        /// Somebody wants to know now.
        var isHurried = false
        var isStopped = false
    }

    private let name: String
    private let waitingMax: Int
    private let log: Logger
    private let check: @Sendable () -> Bool
    private let state = Monitor(State())
    /// Who wants to know of changes; set before ``start()``.
    private let audience = Monitor<Audience?>(nil)
    private let thread = Mutex<WorkerThread?>(nil)

    /// Who is told, and who says whether it is urgent.
    struct Audience: Sendable {
        /// Told of each check's outcome after a change, on the watch's thread.
        let tell: @Sendable (Bool) -> Void
        /// Whether work waits for the daemon.
        let hasWork: @Sendable () -> Bool
    }

    /// Between two checks: while requests wait, while only tickets wait, while nobody does.
    static let pauses = (
        requests: Duration.milliseconds(10), tickets: Duration.milliseconds(50),
        nobody: Duration.seconds(1)
    )

    /// - Parameters:
    ///   - name: the daemon's, for the log.
    ///   - waitingMax: requests that may wait for its return at the same time.
    ///   - check: asks the daemon; must return within a second.
    init(name: String, waitingMax: Int, log: Logger, check: @escaping @Sendable () -> Bool) {
        self.name = name
        self.waitingMax = waitingMax
        self.log = log
        self.check = check
    }

    /// Starts to ask.
    func start(telling audience: Audience) throws(WorkerThread.Failure) {
        self.audience.update(waking: .none) { $0 = audience }
        let watcher = try WorkerThread(name: "watch \(name)") { [self] in run() }
        thread.withLock { $0 = watcher }
    }

    /// Ends the thread; who waits is told that the daemon is absent.
    func stop() {
        state.update(waking: .all) { $0.isStopped = true }
        let watcher = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        watcher?.join()
    }

    /// Requests that wait for the daemon's return now.
    var waiting: Int { state.update(waking: .none) { $0.waiting } }

    /// Whether the last check found the daemon well: at most a second ago, where no check has taken longer.
    var isWell: Bool { state.update(waking: .none) { $0.isWell ?? false } }

    /// Asks the daemon now, on the caller's thread.
    func isFound() -> Bool { check() }

    /// A call did not reach the daemon: to be looked at now.
    func miss() {
        state.update(waking: .all) { $0.isHurried = true }
    }

    /// What came of waiting for a daemon.
    enum Wait: Sendable, Hashable {
        /// It is back.
        case back
        /// The time is over.
        case over
        /// Too many wait already.
        case refused
    }

    /// Waits until the daemon is found well by a check that began now or later.
    ///
    /// - Parameter end: in nanoseconds of `CLOCK_MONOTONIC`.
    /// - Returns: ``Wait/refused`` at once where too many wait already: waiting must never use up the workers.
    func awaitReturn(until end: Int64) -> Wait {
        let missed = MonotonicClock.now
        guard missed < end else { return .over }
        let mayWait = state.update(waking: .all) { state in
            guard !state.isStopped, state.waiting < waitingMax else { return false }
            state.waiting += 1
            state.isHurried = true
            return true
        }
        guard mayWait else { return .refused }
        let isBack: Bool? = state.wait(until: end) { state in
            if let well = state.wellSince, well >= missed { return true }
            return state.isStopped ? false : nil
        }
        state.update(waking: .none) { $0.waiting -= 1 }
        return isBack ?? false ? .back : .over
    }

    private func run() {
        let audience = audience.update(waking: .none) { $0 }
        while true {
            // Who misses the daemon from now on wants another look.
            state.update(waking: .none) { $0.isHurried = false }
            let begun = MonotonicClock.now
            let isWell = check()
            let (before, isStopped) = state.update(waking: .all) { state in
                let before = state.isWell
                state.isWell = isWell
                if isWell { state.wellSince = begun }
                return (before, state.isStopped)
            }
            if isStopped { return }
            let hasChanged = before != isWell
            if hasChanged { tell(isWell, isFirst: before == nil) }
            if hasChanged || isWell { audience?.tell(isWell) }
            guard rest(isWell: isWell) else { return }
        }
    }

    private func tell(_ isWell: Bool, isFirst: Bool) {
        var metadata: Logger.Metadata = ["SERVICE_PEER_NAME": "\(name)"]
        if isWell {
            // One that has never been away is not back.
            if !isFirst { metadata.merge(.event(.daemonBack)) { _, new in new } }
            log.info("\(name) is well", metadata: metadata)
        } else {
            metadata.merge(.event(.daemonAbsent)) { _, new in new }
            log.warning("\(name) is absent", metadata: metadata)
        }
    }

    /// Waits for the next check's time: at once where somebody has begun to wait, soon where a ticket has.
    ///
    /// - Returns: false when the watch is to end.
    private func rest(isWell: Bool) -> Bool {
        let begun = MonotonicClock.now
        // First a moment in which nobody can hurry: a daemon that is absent is not asked in a loop.
        let soon = begun + Self.pauses.requests.wholeNanoseconds
        let isOver: Bool? = state.wait(until: soon) { $0.isStopped ? true : nil }
        if isOver != nil { return false }
        let last = begun + Self.pauses.nobody.wholeNanoseconds
        let step = isWell ? Self.pauses.nobody : Self.pauses.tickets
        while true {
            let next = min(last, MonotonicClock.now + step.wholeNanoseconds)
            let goesOn: Bool? = state.wait(until: next) { state in
                if state.isStopped { return false }
                return state.isHurried || state.waiting > 0 ? true : nil
            }
            if let goesOn { return goesOn }
            if next == last || !isWell && hasWork() { return true }
        }
    }

    private func hasWork() -> Bool {
        audience.update(waking: .none) { $0 }?.hasWork() ?? false
    }
}
