import TestSupport

@testable import Backlog

/// A tree of gateways around the real state machine: the store loses what was not committed, the broker reorders,
/// repeats, refuses and loses what it has not confirmed, daemons come and go and fail, clocks differ a little.
///
/// What must hold is asked after each step of the gateway that took it, and of all when the world is well again.
struct SimulatedWorld {
    private typealias News = TicketNews

    /// A ticket with its bytes, as a disk holds it.
    private struct Kept {
        var record: TicketRecord
        var request: [UInt8]?
        var answer: [UInt8]?
    }

    private struct Gateway {
        let machine: TicketMachine
        /// Its clock is so far from the world's.
        let skew: Int64
        /// What is durable.
        var disk: [TicketID: Kept] = [:]
        /// What the transaction under way has changed: nil for what is gone.
        var open: [TicketID: Kept?] = [:]
        var totals = TicketTotals()
        /// Requests whose clients wait for the commit.
        var unanswered: [TicketID] = []
        /// News of the broker that are acknowledged with the commit.
        var unacknowledged: [Message] = []
        /// Tickets that a daemon works on, and the request it was given.
        var atWork: [(id: TicketID, request: [UInt8], delivery: Message?)] = []
        /// Published, neither confirmed nor refused yet.
        var unconfirmed: [(id: TicketID, revision: Int64, message: Message)] = []
        var daemon = Daemon.well

        func kept(_ id: TicketID) -> Kept? { open[id] ?? disk[id] }
    }

    private enum Daemon { case well, failing, absent }

    private struct Message {
        let news: News
        /// In the work queue; else in a gateway's own.
        let isWork: Bool
    }

    private var random: SeededGenerator
    private var now: Int64 = 1_800_000_000_000
    private var gateways: [Gateway] = []
    /// The broker: a queue for each gateway, the work queue, the dead letters.
    private var queues: [[Message]]
    private var work: [Message] = []
    private var dead: [Message] = []
    private var isBrokerThere = true

    /// What clients were told: the ledger that all is judged by.
    private var promised: [TicketID] = []
    private var promisedPlace: [TicketID: Int] = [:]
    private var deleted: Set<TicketID> = []
    private var requests: [TicketID: [UInt8]] = [:]
    /// The highest that a client has seen, by gateway.
    private var seen: [[TicketID: Int]]
    private var serial: UInt32 = 0

    /// Small bounds and short lives: not everything can be kept, and time ends what nobody does.
    private let isTight: Bool

    private(set) var complaint: String?
    /// What the state machines wanted done, but for its bytes, and what they counted.
    private(set) var actions: Set<String> = []
    private(set) var counts: [TicketCount: Int] = [:]
    private(set) var accepted = 0
    private(set) var crashes = 0
    private var lostBeforePromise = 0
    private var forgotten = 0
    private var failed = 0
    private var retried = 0
    private var answeredAtEnd = 0
    private var published = 0
    private var deliveries = 0

    private static let gatewayCount = 3
    private static let life: Int64 = 600_000
    /// As many unfinished tickets as the world keeps at a time.
    private static let openMax = 40

    init(random: SeededGenerator, isTight: Bool = false) {
        self.random = random
        self.isTight = isTight
        queues = Array(repeating: [], count: Self.gatewayCount)
        seen = Array(repeating: [:], count: Self.gatewayCount)
        var limits = TicketLimits()
        limits.ticketLife = 1_000 * Self.life
        limits.answerLife = 1_000 * Self.life
        limits.traceLife = 1_000 * Self.life
        limits.attemptsMax = 4
        if isTight {
            limits.ticketLife = 12_000
            limits.answerLife = 6_000
            limits.traceLife = 4_000
            limits.ticketsMax = 6
            limits.bytesMax = 9_000
            limits.attemptsMax = 2
        }
        for place in 0..<Self.gatewayCount {
            gateways.append(
                Gateway(
                    machine: TicketMachine(
                        me: GatewayID(number: UInt64(place + 1)), limits: limits),
                    skew: Int64(place - 1) * 700))
        }
    }

    var summary: String {
        """
        \(accepted) tickets (\(deleted.count) deleted, \(answeredAtEnd) answered at the end, \(forgotten) done, \(failed) of them failed; \(retried) retries), \
        \(crashes) crashes (\(lostBeforePromise) tickets lost before their 202), \(published) messages, \
        \(deliveries) deliveries
        """
    }

    /// The answer that a request must get, and no other.
    private static func answer(to request: [UInt8]) -> [UInt8] { request.reversed() + [0xAA] }

    /// It says whose it is, too, so that two gateways never answer the same.
    private mutating func answer(to request: [UInt8], by place: Int) -> [UInt8] {
        let size = isTight && random.oneIn(4) ? 3_000 : 0
        return Self.answer(to: request) + [UInt8(place)] + [UInt8](repeating: 0, count: size)
    }

    // MARK: Steps

    mutating func step() {
        now += Int64(random.number(in: 0...40))
        let place = random.number(in: 0...(Self.gatewayCount - 1))
        switch random.number(in: 0...99) {
        case 0...11: accept(place)
        case 12...26: commit(place)
        case 27...35: beginWork(place)
        case 36...47: endWork(place)
        case 48...57: publish(place)
        case 58...67: confirm(place)
        case 68...82: deliver(place)
        case 83...89: deliverWork(place)
        case 90...91: deliverDead(place)
        case 92: delete(place)
        case 93: random.oneIn(2) ? repeatSomething() : retry(place)
        case 94...95: look(place)
        case 96: if random.oneIn(8) { crash(place) }
        case 97:
            if random.oneIn(10) { isBrokerThere.toggle() }
            if isTight { sweep(place) }
        case 98: gateways[place].daemon = random.pick([.well, .well, .failing, .absent])
        default: retire()
        }
    }

    private mutating func accept(_ place: Int) {
        guard promised.count < Self.openMax else { return }
        serial += 1
        let request = withUnsafeBytes(of: serial.bigEndian) { [UInt8]($0) }
        let id = TicketID(high: random.next(), low: random.next())
        requests[id] = request
        let event = TicketEvent.accept(
            id, service: "mserv1", request: request, answerBytes: random.pick([0, 6, 100]))
        apply(event, to: id, at: place)
        if gateways[place].kept(id) == nil {
            // Refused: 503.
            requests[id] = nil
        } else {
            gateways[place].unanswered.append(id)
        }
    }

    /// The disk's round: now it is durable, clients get their 202, the broker its acknowledgements.
    private mutating func commit(_ place: Int) {
        for (id, kept) in gateways[place].open { gateways[place].disk[id] = kept }
        gateways[place].open = [:]
        for id in gateways[place].unanswered {
            accepted += 1
            promisedPlace[id] = place
            promised.append(id)
        }
        gateways[place].unanswered = []
        gateways[place].unacknowledged = []
    }

    /// kill -9: what was not committed, confirmed or acknowledged is as if it had not been.
    private mutating func crash(_ place: Int) {
        crashes += 1
        lostBeforePromise += gateways[place].unanswered.count
        for id in gateways[place].unanswered { requests[id] = nil }
        gateways[place].unanswered = []
        gateways[place].open = [:]
        gateways[place].totals = TicketTotals()
        for kept in gateways[place].disk.values { gateways[place].totals.add(kept.record) }
        for message in gateways[place].unacknowledged { requeue(message, place) }
        gateways[place].unacknowledged = []
        for case (_, _, let delivery?) in gateways[place].atWork { requeue(delivery, place) }
        gateways[place].atWork = []
        gateways[place].unconfirmed = []
    }

    // MARK: Replay

    /// The replay takes an own ticket from what is durable.
    private mutating func beginWork(_ place: Int) {
        guard gateways[place].daemon != .absent, gateways[place].atWork.count < 4 else { return }
        let time = now + gateways[place].skew
        let waiting = gateways[place].disk.values.filter { kept in
            kept.record.state == .waiting && kept.record.isOwn && kept.record.notBefore <= time
        }
        guard let oldest = waiting.min(by: { $0.record.created < $1.record.created }),
            !gateways[place].atWork.contains(where: { $0.id == oldest.record.id })
        else { return }
        gateways[place].atWork.append((oldest.record.id, oldest.request ?? [], nil))
    }

    private mutating func endWork(_ place: Int) {
        guard !gateways[place].atWork.isEmpty else { return }
        let work = gateways[place].atWork.remove(
            at: random.number(in: 0...(gateways[place].atWork.count - 1)))
        if random.oneIn(50) {
            apply(.notForUs, to: work.id, at: place)
            if let delivery = work.delivery { requeue(delivery, place) }
            return
        }
        switch gateways[place].daemon {
        case .absent:
            if let delivery = work.delivery { requeue(delivery, place) }
            return
        case .failing:
            apply(.failed([0xFF, UInt8(place)], jitter: 0.5), to: work.id, at: place)
            if let delivery = work.delivery { dead.append(delivery) }
        case .well:
            apply(.answered(answer(to: work.request, by: place)), to: work.id, at: place)
            // Acknowledged only when it has ended and that is told: here it comes again, which must do no harm.
            if let delivery = work.delivery, random.oneIn(2) {
                requeue(delivery, place)
            } else if let delivery = work.delivery {
                gateways[place].unacknowledged.append(delivery)
            }
        }
    }

    // MARK: The broker

    /// The outbox: what is durable and not told, oldest first.
    private mutating func publish(_ place: Int) {
        guard isBrokerThere, gateways[place].unconfirmed.isEmpty else { return }
        let untold = gateways[place].disk.values.filter { !$0.record.isTold }.sorted {
            ($0.record.created, $0.record.id.high) < ($1.record.created, $1.record.id.high)
        }
        for kept in untold.prefix(8) {
            let record = kept.record
            let news = TicketNews(
                id: record.id, owner: record.owner, service: record.service, state: record.state,
                round: record.round, created: record.created, expires: record.expires,
                changed: record.changed, failures: record.failures, revision: record.revision,
                request: kept.request ?? [], answer: kept.answer)
            gateways[place].unconfirmed.append(
                (record.id, record.revision, Message(news: news, isWork: record.state == .waiting)))
        }
    }

    private mutating func confirm(_ place: Int) {
        guard !gateways[place].unconfirmed.isEmpty else { return }
        guard isBrokerThere, !random.oneIn(10) else {
            // Time-out: the broker may have it all the same.
            for sent in gateways[place].unconfirmed where random.oneIn(2) { route(sent.message) }
            gateways[place].unconfirmed = []
            return
        }
        for sent in gateways[place].unconfirmed {
            // A nack, a return.
            if random.oneIn(12) { continue }
            route(sent.message)
            apply(.told(revision: sent.revision), to: sent.id, at: place)
        }
        gateways[place].unconfirmed = []
    }

    private mutating func route(_ message: Message) {
        published += 1
        for place in queues.indices {
            queues[place].append(Message(news: message.news, isWork: false))
        }
        if message.isWork { work.append(message) }
    }

    private mutating func requeue(_ message: Message, _ place: Int) {
        if message.isWork { work.append(message) } else { queues[place].append(message) }
    }

    /// Any of the messages that wait: no order is promised.
    private static func take(
        _ messages: inout [Message], _ random: inout SeededGenerator
    ) -> Message? {
        guard !messages.isEmpty else { return nil }
        let place = random.number(in: 0...(messages.count - 1))
        messages.swapAt(place, messages.count - 1)
        return messages.removeLast()
    }

    private mutating func deliver(_ place: Int) {
        for _ in 0..<4 {
            guard isBrokerThere, let message = Self.take(&queues[place], &random) else { return }
            deliveries += 1
            apply(.merge(message.news), to: message.news.id, at: place)
            gateways[place].unacknowledged.append(message)
        }
    }

    private mutating func deliverWork(_ place: Int) {
        guard gateways[place].daemon != .absent, gateways[place].atWork.count < 8,
            isBrokerThere, let message = Self.take(&work, &random)
        else { return }
        deliveries += 1
        let news = message.news
        apply(.merge(news), to: news.id, at: place)
        guard let kept = gateways[place].kept(news.id), kept.record.state == .waiting else {
            // Ended: acknowledged without a call.
            gateways[place].unacknowledged.append(message)
            return
        }
        guard !gateways[place].atWork.contains(where: { $0.id == news.id }) else {
            requeue(message, place)
            return
        }
        gateways[place].atWork.append((news.id, kept.request ?? [], message))
    }

    private mutating func deliverDead(_ place: Int) {
        guard isBrokerThere, let message = Self.take(&dead, &random) else { return }
        let news = message.news
        apply(.merge(news), to: news.id, at: place)
        apply(.failedElsewhere(failures: news.failures), to: news.id, at: place)
        if gateways[place].kept(news.id)?.record.state == .waiting { route(message) }
    }

    private mutating func repeatSomething() {
        for place in queues.indices {
            if let message = queues[place].last { queues[place].insert(message, at: 0) }
        }
        if let message = work.last { work.insert(message, at: 0) }
    }

    // MARK: Clients

    private mutating func delete(_ place: Int) {
        guard random.oneIn(6), !promised.isEmpty else { return }
        let id = random.pick(promised)
        apply(.delete, to: id, at: place)
        guard gateways[place].kept(id)?.record.state == .deleted else { return }
        // The 204 comes after the commit.
        commit(place)
        deleted.insert(id)
    }

    /// The operator has a failed ticket tried again.
    private mutating func retry(_ place: Int) {
        guard !promised.isEmpty else { return }
        let id = random.pick(promised)
        if gateways[place].kept(id)?.record.state == .failed {
            apply(.retry, to: id, at: place)
            retried += 1
        }
    }

    /// A client looks at a ticket: only at what is durable.
    private mutating func look(_ place: Int) {
        guard !promised.isEmpty else { return }
        let id = random.pick(promised)
        guard let kept = gateways[place].disk[id] else {
            if promisedPlace[id] == place, !isTight {
                complain("\(id) is lost where it was accepted")
            }
            return
        }
        check(kept, at: place)
    }

    /// Forgets a ticket that has ended everywhere, so that the world stays small.
    private mutating func retire() {
        if isTight { return retireTraces() }
        for id in promised {
            let everywhere = gateways.allSatisfy { gateway in
                guard let record = gateway.disk[id]?.record, gateway.open[id] == nil else {
                    return false
                }
                return record.state != .waiting && record.isTold
            }
            // Gateways that do not agree are looked at again when the world is well.
            let states = Set(gateways.map { $0.disk[id]?.record.state })
            let answers = Set(gateways.map { $0.disk[id]?.answer })
            guard everywhere, states.count == 1, answers.count == 1 else { continue }
            for place in gateways.indices {
                if let kept = gateways[place].disk.removeValue(forKey: id) {
                    check(kept, at: place)
                    if kept.record.state == .failed, place == promisedPlace[id] { failed += 1 }
                    gateways[place].totals.remove(kept.record)
                }
                seen[place][id] = nil
            }
            retireMessages(of: id)
            requests[id] = nil
            promisedPlace[id] = nil
            forgotten += 1
        }
        promised.removeAll { promisedPlace[$0] == nil }
    }

    /// Forgets what its owner has forgotten, or keeps as a trace only.
    private mutating func retireTraces() {
        for id in promised {
            guard gateways.allSatisfy({ $0.open[id] == nil }), let place = promisedPlace[id],
                gateways[place].disk[id]?.record.isTrace ?? true
            else { continue }
            for place in gateways.indices {
                if let kept = gateways[place].disk.removeValue(forKey: id) {
                    check(kept, at: place)
                    gateways[place].totals.remove(kept.record)
                }
                seen[place][id] = nil
            }
            retireMessages(of: id)
            requests[id] = nil
            promisedPlace[id] = nil
            forgotten += 1
        }
        promised.removeAll { promisedPlace[$0] == nil }
    }

    /// Time passes for all that a gateway has.
    private mutating func sweep(_ place: Int) {
        let known = Set(gateways[place].disk.keys).union(gateways[place].open.keys)
        for id in known.sorted(by: { ($0.high, $0.low) < ($1.high, $1.low) }) {
            apply(.time, to: id, at: place)
        }
    }

    private mutating func retireMessages(of id: TicketID) {
        for place in gateways.indices {
            queues[place].removeAll { $0.news.id == id }
            gateways[place].unacknowledged.removeAll { $0.news.id == id }
            gateways[place].unconfirmed.removeAll { $0.id == id }
            gateways[place].atWork.removeAll { $0.id == id }
        }
        work.removeAll { $0.news.id == id }
        dead.removeAll { $0.news.id == id }
    }

    // MARK: What must hold

    private mutating func apply(_ event: TicketEvent, to id: TicketID, at place: Int) {
        let before = gateways[place].kept(id)
        var event = event
        if case .merge(let news, _) = event { event = .merge(news, kept: before?.answer) }
        let (after, actions) = gateways[place].machine.step(
            before?.record, event, now: now + gateways[place].skew, totals: gateways[place].totals)
        note(actions)
        guard let after else {
            guard let before else { return }
            let isPast = before.record.isTrace && isTight
            if !isPast { complain("\(id) was forgotten before its time") }
            gateways[place].totals.remove(before.record)
            gateways[place].open[id] = .some(nil)
            return
        }
        if actions.contains(.hold), case .answered(let answer) = event,
            answer.count <= after.reservedBytes
        {
            complain("\(id) has place for its answer and is held")
        }
        if case .accept = event,
            gateways[place].totals.bytes + after.storedBytes
                > gateways[place].machine.limits.bytesMax
        {
            complain("\(id) was accepted without place")
        }
        var kept = Kept(record: after, request: before?.request, answer: before?.answer)
        for action in actions {
            switch action {
            case .keepRequest(let bytes): kept.request = bytes
            case .keepAnswer(let bytes): kept.answer = bytes
            case .dropAnswer: kept.answer = nil
            case .dropBytes: (kept.request, kept.answer) = (nil, nil)
            case .count, .refuse, .hold, .tryAgain: break
            }
        }
        if let before { gateways[place].totals.remove(before.record) }
        gateways[place].totals.add(after)
        if before?.record != after || before?.answer != kept.answer {
            gateways[place].open[id] = .some(kept)
        }
        if let owner = before?.record.owner, owner != after.owner {
            complain("\(id) has a new owner")
        }
        if after.requestBytes != kept.request?.count ?? 0
            || after.answerBytes != kept.answer?.count ?? 0
        {
            complain("\(id) counts other bytes than it has")
        }
    }

    private mutating func note(_ actions: [TicketAction]) {
        for action in actions {
            switch action {
            case .keepRequest: self.actions.insert("keepRequest")
            case .keepAnswer: self.actions.insert("keepAnswer")
            case .dropAnswer: self.actions.insert("dropAnswer")
            case .dropBytes: self.actions.insert("dropBytes")
            case .count(let count): counts[count, default: 0] += 1
            case .refuse: self.actions.insert("refuse")
            case .hold: self.actions.insert("hold")
            case .tryAgain: self.actions.insert("tryAgain")
            }
        }
    }

    private mutating func check(_ kept: Kept, at place: Int) {
        let record = kept.record
        // The order of the state machine: answered and deleted stand above all rounds of failures.
        let rank: Int =
            switch record.state {
            case .waiting: 2 * record.round
            case .failed: 2 * record.round + 1
            case .answered: .max - 2
            case .expired: .max - 1
            case .deleted: .max
            }
        // In a tight world an answered one may have expired unseen, and wait again in a later round of another gateway's.
        if let last = seen[place][record.id], rank < last, !isTight || last == .max {
            complain("\(record.id) went from rank \(last) back to \(rank)")
        }
        seen[place][record.id] = rank
        if let request = requests[record.id] {
            if let given = kept.request, given != request {
                complain("\(record.id) has another's request")
            }
            if record.state == .answered,
                kept.answer?.starts(with: Self.answer(to: request)) != true
            {
                complain("\(record.id) has another's answer")
            }
        }
    }

    private mutating func complain(_ text: String) {
        if complaint == nil { complaint = text }
    }

    // MARK: The end

    /// All is well for a long time: every ticket must end, everywhere, as it was promised.
    mutating func heal() {
        isBrokerThere = true
        for place in gateways.indices { gateways[place].daemon = .well }
        for _ in 0..<4_000 {
            now += 200
            for place in gateways.indices {
                commit(place)
                beginWork(place)
                endWork(place)
                deliverWork(place)
                deliverDead(place)
                publish(place)
                confirm(place)
                deliver(place)
            }
        }
        for place in gateways.indices {
            if isTight { sweep(place) }
            commit(place)
            var totals = TicketTotals()
            for kept in gateways[place].disk.values { totals.add(kept.record) }
            totals.waiting = totals.waiting.filter { $0.value > 0 }
            gateways[place].totals.waiting = gateways[place].totals.waiting.filter { $0.value > 0 }
            if totals != gateways[place].totals { complain("gateway \(place) counts wrongly") }
        }
        if isTight {
            for id in promised {
                guard let place = promisedPlace[id], let kept = gateways[place].disk[id] else {
                    continue
                }
                if kept.record.state == .waiting { complain("\(id) waits for ever") }
            }
            return
        }
        for id in promised {
            var answers: Set<[UInt8]?> = []
            var states: Set<TicketState> = []
            for place in gateways.indices {
                guard let kept = gateways[place].disk[id] else {
                    complain("\(id) is not known everywhere")
                    continue
                }
                check(kept, at: place)
                states.insert(kept.record.state)
                answers.insert(kept.answer)
            }
            if answers.count > 1 { complain("\(id) has another answer elsewhere") }
            let isRight =
                deleted.contains(id)
                ? states == [.deleted] : states == [.answered] || states == [.failed]
            if !isRight { complain("\(id) ends as \(states)") }
            answeredAtEnd += deleted.contains(id) ? 0 : 1
        }
    }
}
