internal import GRDB

/// The tickets in the database, read and changed through the state machine. It belongs to the store's thread.
final class Ledger {
    let machine: TicketMachine
    private(set) var totals = TicketTotals()
    /// What the transaction under way has done, for those who must hear of it once it is durable.
    private(set) var effects = LedgerEffects()
    /// What is in hand at the moment; it is not in the database.
    let desk: TicketsInHand
    private let queries: LedgerQueries
    private var totalsBefore = TicketTotals()

    init(
        _ database: Database, me: GatewayID, limits: TicketLimits, desk: TicketsInHand
    ) throws(StoreFault) {
        machine = TicketMachine(me: me, limits: limits)
        self.desk = desk
        queries = try LedgerQueries(database)
        totals = try queries.totals()
    }

    // MARK: Transactions

    func begin() throws(StoreFault) {
        totalsBefore = totals
        effects = LedgerEffects()
        try queries.begin.run()
    }

    /// Durable when it returns.
    func commit() throws(StoreFault) {
        try queries.commit.run()
    }

    func rollBack() throws(StoreFault) {
        totals = totalsBefore
        effects = LedgerEffects()
        // SQLite has rolled back by itself where the disk was full or failed.
        if queries.isInTransaction { try queries.rollBack.run() }
    }

    // MARK: Changes

    /// Lets something happen to a ticket, and keeps what comes of it.
    ///
    /// - Returns: the ticket before and after, and what the state machine wanted done.
    @discardableResult
    func apply(
        _ event: TicketEvent, to id: TicketID, now: Int64
    ) throws(StoreFault) -> (
        before: TicketRecord?, after: TicketRecord?, actions: [TicketAction]
    ) {
        let row: LedgerQueries.Row?
        var event = event
        if case .accept = event { row = nil } else { row = try queries.row(id) }
        if case .merge(let news, _) = event, let row, row.record.hasAnswer,
            news.state == row.record.state, news.changed == row.record.changed
        {
            event = .merge(news, kept: try queries.answer(row.number))
        }
        let (after, actions) = machine.step(row?.record, event, now: now, totals: totals)
        try write(row, after, actions)
        for case .count(let count) in actions { effects.counts[count, default: 0] += 1 }
        if after != row?.record {
            if let before = row?.record { totals.remove(before) }
            if let after { totals.add(after) }
            effects.changes.append(
                TicketChange(id: id, before: row?.record, after: after, actions: actions))
        }
        return (row?.record, after, actions)
    }

    private func write(
        _ row: LedgerQueries.Row?, _ after: TicketRecord?, _ actions: [TicketAction]
    ) throws(StoreFault) {
        guard let after else {
            if let row { try queries.delete(row) }
            return
        }
        var number = row?.number
        if let row {
            if after != row.record { try queries.update(row.number, after) }
        } else {
            var request: [UInt8]?
            for case .keepRequest(let bytes) in actions { request = bytes }
            number = try queries.insert(after, request: request)
        }
        guard let number else { return }
        for action in actions {
            switch action {
            case .keepRequest(let bytes):
                if row != nil { try queries.setRequest(number, bytes) }
            case .keepAnswer(let bytes): try queries.setAnswer(number, bytes)
            case .dropAnswer: try queries.dropAnswer(number)
            case .dropBytes:
                try queries.setRequest(number, nil)
                try queries.dropAnswer(number)
            case .count, .refuse, .hold, .tryAgain: break
            }
        }
    }

    /// - Returns: whether there was something to forget.
    func delete(_ id: TicketID, now: Int64) throws(StoreFault) -> Bool {
        let (before, after, _) = try apply(.delete, to: id, now: now)
        return before?.state != .deleted && after?.state == .deleted
    }

    /// Lets time pass: what is past its time expires, what is past being remembered goes. At most `countMax` of each.
    func sweep(now: Int64, countMax: Int) throws(StoreFault) {
        let trace = machine.limits.traceLife
        for id in try queries.past(now: now, trace: now &- trace, countMax: countMax) {
            try apply(.time, to: id, now: now)
        }
        try queries.giveBackPages()
    }

    /// Writes something, and changes nothing.
    func probe() throws(StoreFault) {
        try queries.touch.run()
    }

    /// Whether `sweep` has something to do.
    func isSweepDue(now: Int64) throws(StoreFault) -> Bool {
        let trace = machine.limits.traceLife
        return try !queries.past(now: now, trace: now &- trace, countMax: 1).isEmpty
    }

    // MARK: Reading

    /// A ticket as it is at this time; nil where it is unknown or deleted.
    func ticket(_ id: TicketID, now: Int64) throws(StoreFault) -> Ticket? {
        try queries.row(id).flatMap { shown($0.record, now: now) }
    }

    func record(_ id: TicketID) throws(StoreFault) -> TicketRecord? {
        try queries.row(id)?.record
    }

    /// A ticket with its bytes; nil where it has no answer.
    func answer(
        _ id: TicketID, now: Int64
    ) throws(StoreFault) -> (ticket: Ticket, request: [UInt8], answer: [UInt8])? {
        guard let row = try queries.row(id), row.record.hasAnswer,
            let ticket = shown(row.record, now: now), ticket.state != .expired
        else { return nil }
        return (ticket, try queries.request(row.number), try queries.answer(row.number) ?? [])
    }

    /// A ticket with its request; nil where that is not kept.
    func request(
        _ id: TicketID, now: Int64
    ) throws(StoreFault) -> (ticket: Ticket, request: [UInt8])? {
        guard let row = try queries.row(id), let ticket = shown(row.record, now: now),
            ticket.state != .expired
        else { return nil }
        return (ticket, try queries.request(row.number))
    }

    /// Where a list goes on after a ticket: nil where it is unknown.
    func place(after id: TicketID?) throws(StoreFault) -> Int64? {
        guard let id else { return .min }
        return try queries.row(id)?.number
    }

    /// What `pick` makes of tickets, in the order in which they came here.
    ///
    /// - Parameters:
    ///   - place: where to begin.
    ///   - rowsMax: how many are looked at, of which `countMax` are picked at most.
    /// - Returns: with where to go on; nil at the end.
    func scan<Value: Sendable>(
        after place: Int64, countMax: Int, rowsMax: Int, _ pick: (TicketRecord) -> Value?
    ) throws(StoreFault) -> LedgerPart<Value> {
        var part = LedgerPart<Value>()
        var rows = 0
        try queries.forEach(after: place) { row throws(StoreFault) in
            if let value = pick(row.record) { part.found.append(value) }
            rows += 1
            guard part.found.count < countMax, rows < rowsMax else {
                part.next = row.number
                return false
            }
            return true
        }
        return part
    }

    /// The oldest own ticket that waits.
    func oldestWaiting() throws(StoreFault) -> Int64? {
        var oldest: Int64?
        for service in totals.waiting.keys {
            guard let created = try queries.oldest(service) else { continue }
            oldest = min(oldest ?? .max, created)
        }
        return oldest
    }

    /// Own waiting tickets that may be processed now, oldest first, with their requests.
    func due(
        _ service: String, now: Int64, countMax: Int, except isTaken: (TicketID) -> Bool
    ) throws(StoreFault) -> [TakenTicket] {
        try queries.due(service, now: now, countMax: countMax, except: isTaken)
    }

    /// A ticket that was offered, if it may be processed now.
    func request(_ id: TicketID) throws(StoreFault) -> (record: TicketRecord, request: [UInt8])? {
        guard let row = try queries.row(id) else { return nil }
        return (row.record, try queries.request(row.number))
    }

    /// When the next paused own ticket may be processed.
    func nextDue(_ service: String, now: Int64) throws(StoreFault) -> Int64? {
        try queries.nextDue(service, now: now)
    }

    /// What others have not heard, oldest first.
    func outbox(
        after mark: Int64?, countMax: Int, bytesMax: Int, now: Int64
    ) throws(StoreFault) -> [OutboxItem] {
        var items: [OutboxItem] = []
        var bytes = 0
        try queries.forEachUntold(after: mark ?? .min) { row throws(StoreFault) in
            guard now < row.record.expires || row.record.state == .deleted else { return true }
            bytes += row.record.storedBytes
            guard items.isEmpty || bytes <= bytesMax else { return false }
            items.append(OutboxItem(mark: row.number, news: try self.news(row)))
            return items.count < countMax
        }
        return items
    }

    /// What a dead letter's ticket is to be published as.
    func news(_ id: TicketID) throws(StoreFault) -> TicketNews? {
        guard let row = try queries.row(id) else { return nil }
        return try news(row)
    }

    private func news(_ row: LedgerQueries.Row) throws(StoreFault) -> TicketNews {
        let record = row.record
        return TicketNews(
            id: record.id, owner: record.owner, service: record.service, state: record.state,
            round: record.round, created: record.created, expires: record.expires,
            changed: record.changed, failures: record.failures, revision: record.revision,
            request: try queries.request(row.number), answer: try queries.answer(row.number))
    }

    private func shown(_ record: TicketRecord, now: Int64) -> Ticket? {
        record.state == .deleted ? nil : ticket(record, now: now)
    }

    func ticket(_ record: TicketRecord, now: Int64) -> Ticket {
        // The sweep comes at most a second later.
        let isPast = !record.isTrace && now >= record.expires
        return Ticket(
            id: record.id, service: record.service, state: isPast ? .expired : record.state,
            created: record.created, expires: record.expires, changed: record.changed,
            failures: record.failures, isOwn: record.isOwn,
            isBeingProcessed: record.state == .waiting && desk.isTaken(record.id),
            requestBytes: record.requestBytes, answerBytes: record.answerBytes)
    }
}

/// What was found among some rows.
struct LedgerPart<Value: Sendable>: Sendable {
    var found: [Value] = []
    /// Where to go on; nil at the end.
    var next: Int64?
}

/// A waiting ticket that is being processed.
struct TakenTicket: Sendable {
    let id: TicketID
    let request: [UInt8]
}

/// What a committed transaction has done.
struct LedgerEffects: Sendable {
    var counts: [TicketCount: Int] = [:]
    var changes: [TicketChange] = []
}

/// One ticket's change.
struct TicketChange: Sendable {
    let id: TicketID
    let before: TicketRecord?
    let after: TicketRecord?
    let actions: [TicketAction]
}
