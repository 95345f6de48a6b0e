internal import GRDB
internal import Threads

/// One thread that owns the database. Whatever is asked of it while a commit is under way shares the next commit: so
/// many callers are bound by the disk's rounds, not by one round each.
///
/// Who submits a change is woken only once it is durable, and reads see only what is: they run between transactions.
final class TicketStore: Sendable {
    /// What is told, on the store's thread, after each commit. It must not block.
    typealias Heard = @Sendable (Ledger, LedgerEffects) -> Void

    /// More at once are refused.
    static let jobsMax = 4_096
    /// How many share a commit at most.
    static let batchMax = 512
    /// How often expiry is looked for.
    private static let sweepInterval: Int64 = 1_000_000_000
    private static let sweepAgainInterval: Int64 = 20_000_000
    /// A file that fails again and again is opened anew this often.
    private static let openInterval: Int64 = 1_000_000_000

    struct Job: Sendable {
        let isChange: Bool
        /// May run twice: again alone, where the shared transaction failed.
        let run: @Sendable (Ledger) throws(StoreFault) -> Void
        /// Called once, when what `run` did is durable, or with what came instead.
        let finish: @Sendable (TicketsInHand, BacklogError?) -> Void
    }

    private struct Waiting: Sendable {
        enum Life { case new, running, stopping, stopped }
        var life = Life.new
        var jobs: [Job] = []
    }

    let path: String
    let me: GatewayID
    /// What is kept at the start.
    let totalsAtStart: TicketTotals
    let oldestAtStart: Int64?
    private let limits: TicketLimits
    private let now: @Sendable () -> Int64
    private let heard: Heard
    private let health: StoreHealth
    private let waiting = Monitor(Waiting())
    private let opened: Monitor<DatabaseQueue?>
    private let thread = Monitor<WorkerThread?>(nil)

    /// Opens the file, or makes it.
    ///
    /// - Parameter told: hears, on the store's thread, how the database stands when that changes.
    init(
        folder: String, limits: TicketLimits, now: @escaping @Sendable () -> Int64,
        patience: Double = 5, told: @escaping @Sendable (StoreState) -> Void = { _ in },
        heard: @escaping Heard
    ) throws(BacklogError) {
        path = folder + "/backlog.sqlite"
        self.limits = limits
        self.now = now
        self.heard = heard
        health = StoreHealth(told: told)
        let queue = try TicketDatabase.open(path, patience: patience)
        opened = Monitor(queue)
        do {
            (me, totalsAtStart, oldestAtStart) = try queue.writeWithoutTransaction { database in
                let me = try LedgerQueries.gateway(database)
                let ledger = try Ledger(database, me: me, limits: limits, desk: TicketsInHand())
                return (me, ledger.totals, try ledger.oldestWaiting())
            }
        } catch {
            throw StoreFault(error).error(at: path)
        }
    }

    // MARK: Asking

    /// Changes something, in a commit shared with others; durable when it returns.
    func change<Value: Sendable>(
        _ body: @escaping @Sendable (Ledger) throws(StoreFault) -> Value
    ) throws(BacklogError) -> Value {
        try wait(isChange: true, body)
    }

    /// Reads what is durable.
    func read<Value: Sendable>(
        _ body: @escaping @Sendable (Ledger) throws(StoreFault) -> Value
    ) throws(BacklogError) -> Value {
        try wait(isChange: false, body)
    }

    private func wait<Value: Sendable>(
        isChange: Bool, _ body: @escaping @Sendable (Ledger) throws(StoreFault) -> Value
    ) throws(BacklogError) -> Value {
        let call = Monitor(Call<Value>())
        try submit(
            Job(
                isChange: isChange,
                run: { ledger throws(StoreFault) in
                    let value = try body(ledger)
                    call.update(waking: .none) { $0.value = value }
                },
                finish: { _, error in
                    call.update(waking: .one) { call in
                        call.error = error
                        call.isFinished = true
                    }
                }))
        let finished = call.wait { $0.isFinished ? $0 : nil }
        if let error = finished?.error { throw error }
        guard let value = finished?.value else { throw .stopped }
        return value
    }

    /// Hands in a job and does not wait for it.
    func submit(_ job: Job) throws(BacklogError) {
        try waiting.update(waking: .one) { waiting throws(BacklogError) in
            guard waiting.life == .running else { throw .stopped }
            guard waiting.jobs.count < Self.jobsMax else {
                throw BacklogError(.full, "\(Self.jobsMax) callers wait for the disk")
            }
            waiting.jobs.append(job)
        }
    }

    // MARK: Life

    /// Starts the thread.
    func start() throws(BacklogError) {
        waiting.update(waking: .none) { $0.life = .running }
        do {
            let started = try WorkerThread(name: "backlog-store") { self.run() }
            thread.update(waking: .none) { $0 = started }
        } catch {
            waiting.update(waking: .none) { $0.life = .new }
            throw BacklogError(
                .broken, "the backlog: \(error)")
        }
    }

    /// Does what has been handed in, closes the file, and returns. Nothing is taken from now on.
    func stop() {
        let isFirst = waiting.update(waking: .all) { waiting in
            switch waiting.life {
            case .new: waiting.life = .stopped
            case .running:
                waiting.life = .stopping
                return true
            case .stopping, .stopped: break
            }
            return false
        }
        if isFirst {
            thread.update(waking: .none) { $0 }?.join()
            waiting.update(waking: .all) { $0.life = .stopped }
        } else {
            // Whoever was first is told when it has ended, and so is everybody else.
            _ = waiting.wait { $0.life == .stopped ? true : nil }
        }
        close()
    }

    private func close() {
        let queue = opened.update(waking: .none) { opened in
            defer { opened = nil }
            return opened
        }
        // Nothing is lost if it fails: the log is read at the next start.
        try? queue?.close()
    }

    // MARK: The thread

    private enum Leaving {
        case stopped
        /// The connection can't be trusted any more.
        case broken(BacklogError)
    }

    private func run() {
        let desk = TicketsInHand()
        // Nobody has written since `init` counted.
        var counted: TicketTotals? = totalsAtStart
        while true {
            let leaving: Leaving
            let openedAt = MonotonicClock.now
            do {
                let known = opened.update(waking: .none) { $0 }
                let queue: DatabaseQueue
                if let known { queue = known } else { queue = try TicketDatabase.open(path) }
                opened.update(waking: .none) { $0 = queue }
                let totals = counted
                counted = nil
                leaving = try queue.writeWithoutTransaction { database in
                    let ledger = try Ledger(
                        database, me: me, limits: limits, desk: desk, totals: totals)
                    return serve(ledger, FileIdentity(path: path))
                }
            } catch let error as BacklogError {
                leaving = .broken(error)
            } catch {
                leaving = .broken(StoreFault(error).error(at: path))
            }
            guard case .broken(let error) = leaving else { break }
            health.failed(error, isDamage: false, now: MonotonicClock.now)
            close()
            if refuse(with: error, until: openedAt + Self.openInterval, desk) { break }
        }
        desk.releaseAll()
    }

    /// Answers everyone with the error until it is time to open the file again. True: it is to stop.
    private func refuse(
        with error: BacklogError, until end: Int64, _ desk: TicketsInHand
    ) -> Bool {
        while MonotonicClock.now < end {
            guard let jobs = nextJobs(until: end) else { return true }
            for job in jobs { job.finish(desk, error) }
        }
        return false
    }

    /// Waits for jobs: none when the time has passed first; nil: all is done and it is to stop.
    private func nextJobs(until monotonic: Int64) -> [Job]? {
        let found = waiting.wait(until: monotonic) { waiting -> [Job]?? in
            if waiting.jobs.isEmpty { return waiting.life == .stopping ? .some(nil) : nil }
            defer { waiting.jobs.removeFirst(min(waiting.jobs.count, Self.batchMax)) }
            return waiting.jobs.count <= Self.batchMax
                ? waiting.jobs : Array(waiting.jobs.prefix(Self.batchMax))
        }
        return found ?? []
    }

    private func serve(_ ledger: Ledger, _ file: FileIdentity?) -> Leaving {
        var nextSweep = MonotonicClock.now
        while true {
            guard var jobs = nextJobs(until: nextSweep) else { return .stopped }
            let isSweepDue = MonotonicClock.now >= nextSweep
            let gone = isSweepDue || jobs.contains(where: \.isChange) ? isGone(file) : nil
            if isSweepDue {
                let sweep = gone == nil ? sweepJob(ledger) : []
                // Much may have expired: the rest soon, with others' changes between.
                let isIdle = sweep.isEmpty || health.isFull
                nextSweep =
                    MonotonicClock.now + (isIdle ? Self.sweepInterval : Self.sweepAgainInterval)
                jobs += sweep
            }
            if let gone {
                for job in jobs where job.isChange { job.finish(ledger.desk, gone) }
                jobs.removeAll(where: \.isChange)
            }
            if let fault = handle(jobs, ledger) { return .broken(fault.error(at: path)) }
        }
    }

    /// Whether the file that is open is no longer the one at its path: what is written to it would be gone at the next
    /// start. It stays open: as it was where somebody puts it back.
    private func isGone(_ file: FileIdentity?) -> BacklogError? {
        if let file, FileIdentity(path: path) == file { return nil }
        let error = BacklogError(.broken, "\(path) is no longer the file that was opened")
        health.failed(error, isDamage: false, now: MonotonicClock.now)
        return error
    }

    /// What expiry needs; nothing where nothing is past its time, so that an idle backlog leaves the disk alone.
    private func sweepJob(_ ledger: Ledger) -> [Job] {
        let isDue: Bool
        do {
            isDue = try ledger.isSweepDue(now: now())
            health.succeeded(isChange: false, now: MonotonicClock.now)
        } catch {
            // Whoever asks for something hears of it, too.
            note(error)
            isDue = false
        }
        guard isDue || health.isFull else { return [] }
        return [
            Job(
                isChange: true,
                run: { [now] ledger throws(StoreFault) in
                    // So that a full disk that takes something again is seen although nobody asks.
                    if !isDue { return try ledger.probe() }
                    try ledger.sweep(now: now(), countMax: 512)
                    FailPoint.expiryWritten.pass()
                },
                finish: { _, _ in })
        ]
    }

    @discardableResult
    private func note(_ fault: StoreFault) -> BacklogError {
        let error = fault.error(at: path)
        health.failed(error, isDamage: fault.isDamage, now: MonotonicClock.now)
        return error
    }

    /// - Returns: a fault after which the connection is not to be used again.
    private func handle(_ jobs: [Job], _ ledger: Ledger) -> StoreFault? {
        let changes = jobs.filter(\.isChange)
        if !changes.isEmpty, let fault = commit(changes, ledger) {
            for job in jobs where !job.isChange {
                job.finish(ledger.desk, fault.error(at: path))
            }
            return fault
        }
        for job in jobs where !job.isChange {
            do {
                try job.run(ledger)
                job.finish(ledger.desk, nil)
            } catch {
                job.finish(ledger.desk, note(error))
            }
        }
        return nil
    }

    /// All in one transaction; where it fails each in its own, so that none pays for another.
    private func commit(_ jobs: [Job], _ ledger: Ledger) -> StoreFault? {
        do {
            try transact(ledger) { ledger throws(StoreFault) in
                for job in jobs { try job.run(ledger) }
            }
        } catch {
            if let fault = unusable(ledger, after: error) {
                let error = note(error)
                for job in jobs { job.finish(ledger.desk, error) }
                return fault
            }
            guard jobs.count > 1 else {
                jobs[0].finish(ledger.desk, note(error))
                return nil
            }
            for (place, job) in jobs.enumerated() {
                if let fault = commit([job], ledger) {
                    for job in jobs[(place + 1)...] {
                        job.finish(ledger.desk, fault.error(at: path))
                    }
                    return fault
                }
            }
            return nil
        }
        health.succeeded(isChange: true, now: MonotonicClock.now)
        heard(ledger, ledger.effects)
        for job in jobs { job.finish(ledger.desk, nil) }
        return nil
    }

    private func transact(
        _ ledger: Ledger, _ body: (Ledger) throws(StoreFault) -> Void
    ) throws(StoreFault) {
        try ledger.begin()
        try body(ledger)
        FailPoint.commitBefore.pass()
        try ledger.commit()
        FailPoint.commitAfter.pass()
    }

    /// Rolls back. A full disk leaves the connection as it was; after anything else the file is opened anew.
    private func unusable(_ ledger: Ledger, after fault: StoreFault) -> StoreFault? {
        do {
            try ledger.rollBack()
        } catch {
            return error
        }
        return fault.code.primaryResultCode == .SQLITE_FULL ? nil : fault
    }
}

/// A caller that waits.
private struct Call<Value: Sendable>: Sendable {
    var value: Value?
    var error: BacklogError?
    var isFinished = false
}
