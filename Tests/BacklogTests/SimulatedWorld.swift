import TestSupport

@testable import Backlog

/// A tree of gateways around the real state machine: the store loses what was not committed, the broker reorders,
/// repeats, refuses and loses what it has not confirmed, daemons come and go and fail, clocks differ a little.
///
/// What must hold is asked after each step of the gateway that took it, and of all when the world is well again.
struct SimulatedWorld {
    typealias News = TicketNews

    /// A ticket with its bytes, as a disk holds it.
    struct Kept {
        var record: TicketRecord
        var request: [UInt8]?
        var answer: [UInt8]?
    }

    struct Gateway {
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

    enum Daemon { case well, failing, absent }

    struct Message {
        let news: News
        /// In the work queue; else in a gateway's own.
        let isWork: Bool
    }

    var random: SeededGenerator
    var now: Int64 = 1_800_000_000_000
    var gateways: [Gateway] = []
    /// The broker: a queue for each gateway, the work queue, the dead letters.
    var queues: [[Message]]
    var work: [Message] = []
    var dead: [Message] = []
    var isBrokerThere = true

    /// What clients were told: the ledger that all is judged by.
    var promised: [TicketID] = []
    var promisedPlace: [TicketID: Int] = [:]
    var deleted: Set<TicketID> = []
    var requests: [TicketID: [UInt8]] = [:]
    /// The highest that a client has seen, by gateway.
    var seen: [[TicketID: Int]]
    var serial: UInt32 = 0

    /// Small bounds and short lives: not everything can be kept, and time ends what nobody does.
    let isTight: Bool

    var complaint: String?
    /// What the state machines wanted done, but for its bytes, and what they counted.
    var actions: Set<String> = []
    var counts: [TicketCount: Int] = [:]
    var accepted = 0
    var crashes = 0
    var lostBeforePromise = 0
    var forgotten = 0
    var failed = 0
    var retried = 0
    var answeredAtEnd = 0
    var published = 0
    var deliveries = 0

    static let gatewayCount = 3
    static let life: Int64 = 600_000
    /// As many unfinished tickets as the world keeps at a time.
    static let openMax = 40

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
    static func answer(to request: [UInt8]) -> [UInt8] { request.reversed() + [0xAA] }

    /// It says whose it is, too, so that two gateways never answer the same.
    mutating func answer(to request: [UInt8], by place: Int) -> [UInt8] {
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

    mutating func accept(_ place: Int) {
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
    mutating func commit(_ place: Int) {
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
    mutating func crash(_ place: Int) {
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
    mutating func beginWork(_ place: Int) {
        guard gateways[place].daemon != .absent, gateways[place].atWork.count < 4 else { return }
        let time = now + gateways[place].skew
        let waiting = gateways[place].disk.values.filter { kept in
            kept.record.state == .waiting && kept.record.isOwn && kept.record.notBefore <= time
        }
        // A total order: a dictionary's is another one in each process, and the seed is to repeat the run.
        guard
            let oldest = waiting.min(by: {
                ($0.record.created, $0.record.id.high) < ($1.record.created, $1.record.id.high)
            }),
            !gateways[place].atWork.contains(where: { $0.id == oldest.record.id })
        else { return }
        gateways[place].atWork.append((oldest.record.id, oldest.request ?? [], nil))
    }

    mutating func endWork(_ place: Int) {
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
}
