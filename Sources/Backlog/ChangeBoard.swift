internal import Logging
internal import Synchronization
internal import Threads

/// Tells everyone who must know what a commit has changed: the figures, the log, those who wait for a ticket, the
/// replay, the courier.
final class ChangeBoard: Sendable {
    let watch = ChangeWatch()
    let outbox = OutboxBell()
    private let log: Logger
    /// There are other gateways, who must hear of changes.
    private let isShared: Bool
    private let figures: Mutex<BacklogFigures>
    private let broker: Mutex<BrokerFigures>
    private let replayer = Mutex<Replayer?>(nil)
    /// When the next line may say that the backlog is full: each refused request would be one.
    private let nextFullLine = Mutex<Int64>(.min)

    /// Between two lines that say so, in nanoseconds.
    static let fullLinePause: Int64 = 60_000_000_000

    init(services: [String], isShared: Bool, log: Logger) {
        self.log = log
        self.isShared = isShared
        var figures = BacklogFigures()
        for service in services { figures.waiting[service] = 0 }
        self.figures = Mutex(figures)
        var broker = BrokerFigures()
        broker.state = isShared ? .disconnected("not connected yet") : .none
        self.broker = Mutex(broker)
    }

    /// Whom to wake when something can be processed; nil: nobody any more.
    func attach(_ replayer: Replayer?) {
        self.replayer.withLock { $0 = replayer }
    }

    /// What was kept before the start.
    func begin(_ totals: TicketTotals, oldest: Int64?) {
        figures.withLock { $0.take(totals, oldest: oldest, isShared: isShared) }
    }

    func current() -> BacklogFigures {
        var current = figures.withLock { $0 }
        let broker = broker.withLock { $0 }
        current.brokerState = broker.state
        current.confirmed = broker.confirmed
        current.returned = broker.returned
        current.rejected = broker.rejected
        return current
    }

    func waiting(_ service: String) -> Int {
        figures.withLock { $0.waiting[service] ?? 0 }
    }

    func refused(_ reason: String) {
        let (count, isTold) = figures.withLock { figures in
            figures.refused += 1
            // Of a full disk there is a line already.
            return (figures.refused, figures.storeState != .open)
        }
        guard !isTold else { return }
        let now = MonotonicClock.now
        let isTime = nextFullLine.withLock { next in
            guard now >= next else { return false }
            next = now + Self.fullLinePause
            return true
        }
        guard isTime else { return }
        log.warning(
            "No ticket is taken: \(reason).",
            metadata: ["EVENT_NAME": "backlog_full", "TICKETS_REFUSED": "\(count)"])
    }

    /// The database stands otherwise than before. On the store's thread.
    func told(_ state: StoreState) {
        figures.withLock { $0.storeState = state }
        switch state {
        case .open:
            log.notice(
                "The backlog takes tickets again.", metadata: ["EVENT_NAME": "backlog_back"])
        case .full(let reason):
            log.error(
                "No ticket is taken: \(reason).", metadata: ["EVENT_NAME": "backlog_full"])
        case .broken(let reason):
            log.error(
                "No ticket is taken: \(reason).", metadata: ["EVENT_NAME": "backlog_broken"])
        }
    }

    func report(_ change: (inout BrokerFigures) -> Void) {
        broker.withLock { change(&$0) }
    }

    // MARK: A commit

    /// On the store's thread, after each commit.
    func heard(_ ledger: Ledger, _ effects: LedgerEffects, now: Int64) {
        guard !effects.changes.isEmpty || !effects.counts.isEmpty else { return }
        var services: Set<String> = []
        var isUntold = false
        var isPlace = false
        for change in effects.changes {
            ledger.desk.settle(change.id, change.after, now: now)
            if change.actions.contains(.tryAgain) { ledger.desk.answer(change.id, .failedAttempt) }
            isPlace =
                isPlace || change.after?.storedBytes ?? 0 < change.before?.storedBytes ?? 0
            if let after = change.after {
                if after.isOwn, after.state == .waiting { services.insert(after.service) }
                isUntold = isUntold || !after.isTold
            }
            tell(change)
        }
        // Unreadable: as it was. Whoever asks for a ticket hears of it.
        let oldest = try? ledger.oldestWaiting()
        figures.withLock { figures in
            figures.add(effects.counts)
            figures.take(
                ledger.totals, oldest: oldest ?? figures.oldestWaiting, isShared: isShared)
            if ledger.totals.ownWaiting == 0 { figures.oldestWaiting = nil }
        }
        watch.changed(effects.changes)
        if isUntold { outbox.ring() }
        if isPlace || !services.isEmpty, let replayer = replayer.withLock({ $0 }) {
            if isPlace { replayer.thereIsPlace() }
            for service in services { replayer.wake(service) }
        }
    }

    private func tell(_ change: TicketChange) {
        guard let after = change.after, after.isOwn else { return }
        var metadata: Logger.Metadata {
            ["TICKET_ID": "\(change.id)", "SERVICE_PEER_NAME": "\(after.service)"]
        }
        guard after.state != change.before?.state else { return }
        switch after.state {
        case .expired where change.before?.state == .waiting:
            log.warning(
                "A ticket expired before it was answered.",
                metadata: event("ticket_expired", metadata))
        case .failed:
            log.warning(
                "A ticket failed too often.", metadata: event("ticket_failed", metadata))
        case .waiting, .answered, .deleted, .expired:
            break
        }
    }

    private func event(_ name: String, _ metadata: Logger.Metadata) -> Logger.Metadata {
        metadata.merging(["EVENT_NAME": "\(name)"]) { own, _ in own }
    }
}

extension BacklogFigures {
    fileprivate mutating func take(_ totals: TicketTotals, oldest: Int64?, isShared: Bool) {
        for service in waiting.keys { waiting[service] = 0 }
        for (service, count) in totals.waiting where count > 0 || waiting[service] != nil {
            waiting[service] = count
        }
        oldestWaiting = oldest
        storedBytes = totals.bytes
        unannounced = isShared ? totals.untold : 0
    }

    fileprivate mutating func add(_ counts: [TicketCount: Int]) {
        for (count, number) in counts {
            switch count {
            case .accepted: accepted += number
            case .replayed: replayed += number
            case .helped: helped += number
            case .helping: helping += number
            case .failed: failed += number
            case .expired: expired += number
            case .deleted: deleted += number
            case .dropped: dropped += number
            }
        }
    }
}

/// Wakes the courier when there is something to tell.
final class OutboxBell: Sendable {
    // There may be something from before the start.
    private let isRung = Monitor(true)

    func ring() {
        isRung.update(waking: .all) { $0 = true }
    }

    /// Until it has been rung since the last call, or the time (of `CLOCK_MONOTONIC`, in nanoseconds) has passed.
    func wait(until monotonic: Int64) {
        _ = isRung.wait(until: monotonic) { isRung -> Bool? in
            guard isRung else { return nil }
            isRung = false
            return true
        }
    }
}
