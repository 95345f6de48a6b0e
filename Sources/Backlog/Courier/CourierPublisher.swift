internal import Logging
internal import RabbitMQ
internal import Threads

/// Publishes the outbox, and dead letters again, in rounds of confirms.
final class CourierPublisher: Sendable {
    /// A dead letter's ticket, to be published before the dead letter is acknowledged.
    struct Again: Sendable {
        let news: TicketNews
        /// Called once with whether the broker has it. Must not block.
        let done: @Sendable (Bool) -> Void
    }

    private struct Inbox {
        var again: [Again] = []
        var isEnding = false
    }

    static let countMax = 256
    static let bytesMax = 8 << 20

    private let configuration: BrokerConfiguration
    private let topology: CourierTopology
    private let writer: NewsWriter
    private let post: any CourierPost
    private let status: CourierStatus
    private let times: CourierTimes
    private let log: Logger
    private let inbox = Monitor(Inbox())
    private let interrupter = BrokerInterrupter()

    init(
        _ configuration: BrokerConfiguration, topology: CourierTopology, writer: NewsWriter,
        post: any CourierPost, status: CourierStatus, times: CourierTimes, log: Logger
    ) {
        self.configuration = configuration
        self.topology = topology
        self.writer = writer
        self.post = post
        self.status = status
        self.times = times
        self.log = log
    }

    // MARK: For other threads

    func publishAgain(_ again: Again) {
        let isLate = inbox.update(waking: .none) { inbox in
            guard !inbox.isEnding else { return true }
            inbox.again.append(again)
            return false
        }
        if isLate { again.done(false) }
        post.nudge()
    }

    /// `run` returns soon.
    func end() {
        inbox.update(waking: .all) { $0.isEnding = true }
        interrupter.interrupt()
        post.nudge()
    }

    private var isEnding: Bool { inbox.update(waking: .none) { $0.isEnding } }

    // MARK: The thread

    func run() {
        var rotation = HostRotation(configuration.hosts, first: Int(topology.gateway.number % 97))
        // A broker that takes logins and confirms nothing (a memory alarm, no majority) does not serve.
        var mustProve = false
        var refusals = 0
        while !isEnding, let host = rotation.host {
            do throws(RabbitMQError) {
                let connection = try BrokerConnection(
                    configuration, host: host,
                    name: "pasarela \(topology.tree) \(topology.gateway) publisher",
                    interrupter: interrupter)
                try topology.declare(on: connection)
                if !mustProve {
                    status.serves(.publisher, host)
                    rotation.served()
                }
                try serve(connection, refusals: &refusals) {
                    guard mustProve else { return }
                    mustProve = false
                    status.serves(.publisher, host)
                    rotation.served()
                }
                // A channel that has met a quorum queue without a leader rejects for ever (RabbitMQ 3.10): what was
                // rejected is tried again on a new one. Nobody need hear of it.
                continue
            } catch {
                guard error.code != .interrupted else { break }
                if error.code == .timedOut { mustProve = true }
                status.failed(.publisher, error)
            }
            refuseAgain()
            let pause = rotation.failed(jitter: .random(in: 0...1))
            _ = inbox.wait(until: MonotonicClock.now + pause) { $0.isEnding ? true : nil }
        }
        refuseAgain()
    }

    /// Until the connection is of no more use, it is time to try on another one what was refused, or to end.
    private func serve(
        _ connection: BrokerConnection, refusals: inout Int, proved: () -> Void
    ) throws(RabbitMQError) {
        var mark: Int64?
        /// When what was refused is tried again; nil: nothing was.
        var refusedUntil: Int64?
        while !isEnding {
            if let time = refusedUntil, MonotonicClock.now >= time { return }
            guard let items = outbox(after: mark) else {
                wait(times.store, orUntil: nil)
                try pump(connection)
                continue
            }
            let again = takeAgain()
            guard !items.isEmpty || !again.isEmpty else {
                if refusedUntil == nil { proved() }
                wait(times.idle, orUntil: refusedUntil)
                try pump(connection)
                continue
            }
            let isRefused = try publish(items, again, on: connection, proved: proved)
            if isRefused, refusedUntil == nil {
                let pause = times.refused.wholeNanoseconds << Int64(min(refusals, 4))
                refusedUntil = MonotonicClock.now + pause
                refusals += 1
            } else if refusedUntil == nil {
                refusals = 0
            }
            // Past what was refused, until it is time for that again.
            mark = refusedUntil == nil ? nil : items.last?.mark ?? mark
        }
    }

    private func wait(_ time: Duration, orUntil other: Int64?) {
        let end = MonotonicClock.now + time.wholeNanoseconds
        post.waitForOutbox(until: min(end, other ?? .max))
    }

    /// Sends heartbeats, and sees whether the broker has gone.
    private func pump(_ connection: BrokerConnection) throws(RabbitMQError) {
        _ = try connection.next(within: .zero)
    }

    /// Nil where the store says nothing at the moment.
    private func outbox(after mark: Int64?) -> [OutboxItem]? {
        do {
            let items = try post.outbox(
                after: mark, countMax: Self.countMax, bytesMax: Self.bytesMax)
            if !items.isEmpty { FailPoint.outboxRead.pass() }
            return items
        } catch {
            return nil
        }
    }

    /// - Returns: whether any of the outbox was refused.
    private func publish(
        _ items: [OutboxItem], _ again: [Again], on connection: BrokerConnection,
        proved: () -> Void
    ) throws(RabbitMQError) -> Bool {
        var messages: [OutgoingMessage] = []
        /// What each message is of.
        var told: [(id: TicketID, revision: Int64)?] = []
        var confirmed: [(id: TicketID, revision: Int64)] = []
        for item in items {
            let change = (id: item.news.id, revision: item.news.revision)
            if let message = writer.message(item.news) {
                messages.append(message)
                told.append(change)
            } else {
                log.warning(
                    "A ticket is too large for RabbitMQ: only its owner has it.",
                    metadata: ["TICKET_ID": "\(change.id)"])
                confirmed.append(change)
            }
        }
        var letters: [(letter: Again, place: Int)] = []
        for letter in again {
            if let message = writer.message(letter.news) {
                letters.append((letter, messages.count))
                messages.append(message)
                told.append(nil)
            } else {
                letter.done(true)
            }
        }
        FailPoint.publishBefore.pass()
        let outcomes: [PublishOutcome]
        do throws(RabbitMQError) {
            outcomes = try connection.publish(messages, within: times.confirms) {
                FailPoint.publishAfter.pass()
            }
        } catch {
            for (letter, _) in letters { letter.done(false) }
            throw error
        }
        for (letter, place) in letters { letter.done(outcomes[place] == .confirmed) }
        for case (.confirmed, let change?) in zip(outcomes, told) { confirmed.append(change) }
        count(outcomes)
        if outcomes.contains(where: { $0 != .unconfirmed }) { proved() }
        FailPoint.confirmAfter.pass()
        tell(confirmed)
        if let error = connection.lastError { throw error }
        if outcomes.contains(where: \.isReturned) { try topology.declare(on: connection) }
        return zip(outcomes, told).contains { $0 != .confirmed && $1 != nil }
    }

    private func tell(_ confirmed: [(id: TicketID, revision: Int64)]) {
        do {
            try post.told(confirmed)
        } catch {
            // They are published once more: harmless. Not at once: the disk takes nothing.
            _ = inbox.wait(until: MonotonicClock.now + times.store.wholeNanoseconds) {
                $0.isEnding ? true : nil
            }
        }
    }

    private func count(_ outcomes: [PublishOutcome]) {
        let confirmed = outcomes.count { $0 == .confirmed }
        let rejected = outcomes.count { $0 == .rejected }
        let returned = outcomes.count(where: \.isReturned)
        post.report { figures in
            figures.confirmed += confirmed
            figures.rejected += rejected
            figures.returned += returned
        }
    }

    private func takeAgain() -> [Again] {
        inbox.update(waking: .none) { inbox in
            defer { inbox.again = [] }
            return inbox.again
        }
    }

    private func refuseAgain() {
        for letter in takeAgain() { letter.done(false) }
    }
}

extension PublishOutcome {
    fileprivate var isReturned: Bool {
        if case .returned = self { true } else { false }
    }
}
