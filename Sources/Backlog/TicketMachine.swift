/// What can happen to a ticket.
enum TicketEvent: Sendable {
    /// A request becomes a ticket of this gateway.
    case accept(TicketID, service: String, request: [UInt8], answerBytes: Int)
    /// A daemon answered.
    case answered([UInt8])
    /// A daemon answered with a failure of its own. The jitter is 0…1 of the back-off's half.
    case failed([UInt8], jitter: Double)
    /// This gateway can't read its request.
    case notForUs
    /// Its client, or the operator, wants it forgotten.
    case delete
    /// Nothing but time.
    case time
    /// Another gateway tells. The answer that is kept is needed where both were given in the same millisecond.
    case merge(TicketNews, kept: [UInt8]? = nil)
    /// The operator wants it tried again.
    case retry
    /// It failed at another gateway, which knew of so many failures before.
    case failedElsewhere(failures: Int)
    /// Others have heard this revision.
    case told(revision: Int64)
}

/// What is to be done besides keeping the record.
enum TicketAction: Sendable, Hashable {
    case keepRequest([UInt8])
    case keepAnswer([UInt8])
    case dropAnswer
    /// Request and answer.
    case dropBytes
    case count(TicketCount)
    /// A bound is reached: the request is not accepted. The text is for the operator.
    case refuse(String)
    /// There is no place for the answer: the ticket waits on, and its life begins anew.
    case hold
    /// It was answered with a failure, and is tried again after its back-off.
    case tryAgain
}

/// What is counted, each with its name in `BacklogFigures`.
enum TicketCount: Sendable, Hashable, CaseIterable {
    case accepted, replayed, helped, helping, failed, expired, deleted, dropped
}

/// The life of a ticket: pure, so that it is tested without clock, disk, broker or daemon.
///
/// Nothing that is told late takes a ticket back: of two states the one that stands higher stays, in the order
/// waiting, failed (each round of retries above the one before), answered, deleted. Expired is of this gateway's own
/// clock, is never told, and gives way only to a deletion or a later round. Of two answers, or two failures of one
/// round, the earlier one stays, by `changed` and then by its bytes: so all gateways come to the same.
struct TicketMachine: Sendable {
    let me: GatewayID
    let limits: TicketLimits

    /// - Parameters:
    ///   - record: nil where the ticket is unknown.
    ///   - now: milliseconds since 1970.
    /// - Returns: what is to be kept (nil: nothing), and what to do.
    func step(
        _ record: TicketRecord?, _ event: TicketEvent, now: Int64, totals: TicketTotals
    ) -> (record: TicketRecord?, actions: [TicketAction]) {
        guard let known = record else { return meet(event, now: now, totals: totals) }
        let (aged, ended) = age(known, now: now)
        guard let aged else { return (nil, ended) }
        let after = change(aged, event, now: now, totals: totals)
        return (after.record, ended.isEmpty ? after.actions : ended + after.actions)
    }

    // MARK: A ticket that is not known

    private func meet(
        _ event: TicketEvent, now: Int64, totals: TicketTotals
    ) -> (record: TicketRecord?, actions: [TicketAction]) {
        switch event {
        case .accept(let id, let service, let request, let answerBytes):
            if totals.ownWaiting >= limits.ticketsMax {
                return (nil, [.refuse("\(totals.ownWaiting) tickets wait")])
            }
            let reserved = max(answerBytes, 0)
            let bytes = (TicketLimits.rowBytes + request.count).addingReportingOverflow(reserved)
            if bytes.overflow || bytes.partialValue > limits.bytesMax - totals.bytes {
                return (
                    nil, [.refuse("tickets and answers to come take \(totals.bytes) bytes")]
                )
            }
            let accepted = TicketRecord(
                id: id, owner: me, isOwn: true, service: service, state: .waiting, round: 0,
                created: now, expires: now + limits.ticketLife, changed: nil, failures: 0,
                notBefore: 0, revision: 1, isTold: false, requestBytes: request.count,
                answerBytes: 0, reservedBytes: reserved)
            return (accepted, [.keepRequest(request), .count(.accepted)])
        case .merge(let news, _):
            return meet(news, now: now, totals: totals)
        case .answered, .failed, .notForUs, .delete, .time, .retry, .failedElsewhere, .told:
            return (nil, [])
        }
    }

    private func meet(
        _ news: TicketNews, now: Int64, totals: TicketTotals
    ) -> (record: TicketRecord?, actions: [TicketAction]) {
        let isDeleted = news.state == .deleted
        let gone = isDeleted ? later(news.expires, limits.traceLife) : news.expires
        guard now < gone, news.state != .expired else { return (nil, [.count(.dropped)]) }
        let answer = news.state == .answered || news.state == .failed ? news.answer ?? [] : nil
        let met = TicketRecord(
            id: news.id, owner: news.owner, isOwn: news.owner == me, service: news.service,
            state: news.state, round: news.round, created: news.created, expires: news.expires,
            changed: news.changed, failures: news.failures, notBefore: 0, revision: news.revision,
            isTold: true, requestBytes: isDeleted ? 0 : news.request.count,
            answerBytes: answer?.count ?? 0, reservedBytes: 0)
        let waits = news.state == .waiting && totals.foreignWaiting >= limits.ticketsMax
        guard !waits, hasPlace(for: met.storedBytes, isOwn: false, totals) else {
            return (nil, [.count(.dropped)])
        }
        var actions: [TicketAction] = isDeleted ? [] : [.keepRequest(news.request)]
        if let answer { actions.append(.keepAnswer(answer)) }
        return (met, actions)
    }

    // MARK: A ticket that is known

    private func change(
        _ record: TicketRecord, _ event: TicketEvent, now: Int64, totals: TicketTotals
    ) -> (record: TicketRecord?, actions: [TicketAction]) {
        switch event {
        case .accept, .time:
            return (record, [])
        case .answered(let bytes):
            return end(record, as: .answered, with: bytes, now: now, totals: totals)
        case .failed(let bytes, let jitter):
            guard record.state == .waiting else { return (record, []) }
            var failed = record
            failed.failures += 1
            guard failed.failures < limits.attemptsMax else {
                return end(failed, as: .failed, with: bytes, now: now, totals: totals)
            }
            failed.notBefore = now + Self.backOff(failures: record.failures, jitter: jitter)
            return (failed, [.tryAgain])
        case .failedElsewhere(let before):
            guard record.state == .waiting else { return (record, []) }
            var failed = record
            // The last failure is one that has bytes to show.
            let known = min(before + 1, max(limits.attemptsMax - 1, 0))
            failed.failures = max(failed.failures, known)
            return (failed, [])
        case .notForUs:
            guard record.state == .waiting else { return (record, []) }
            var later = record
            later.notBefore = now + Self.unreadableTime
            return (later, [])
        case .delete:
            guard !record.isTrace else { return (record, []) }
            var deleted = trace(of: record, as: .deleted, changed: now)
            deleted.revision += 1
            deleted.isTold = false
            return (deleted, [.dropBytes, .count(.deleted)])
        case .retry:
            return retry(record, now: now)
        case .told(let revision):
            guard record.revision == revision, !record.isTold else { return (record, []) }
            var told = record
            told.isTold = true
            return (told, [])
        case .merge(let news, let kept):
            return merge(news, over: kept, into: record, now: now, totals: totals)
        }
    }

    /// An answer or a failure found here. The first result stays.
    private func end(
        _ record: TicketRecord, as state: TicketState, with bytes: [UInt8], now: Int64,
        totals: TicketTotals
    ) -> (record: TicketRecord?, actions: [TicketAction]) {
        guard record.state == .waiting else { return (record, []) }
        var ended = record
        ended.state = state
        ended.changed = now
        ended.expires = later(now, limits.answerLife)
        ended.notBefore = 0
        ended.answerBytes = bytes.count
        ended.revision += 1
        ended.isTold = false
        let growth = ended.storedBytes - record.storedBytes
        guard growth <= 0 || hasPlace(for: growth, isOwn: record.isOwn, totals) else {
            var held = record
            // It is not its client's fault. Whose ticket it is says how long another one's lives.
            if held.isOwn { held.expires = max(held.expires, later(now, limits.ticketLife)) }
            return (held, [.hold])
        }
        let count: TicketCount? =
            switch (state, record.isOwn) {
            case (.answered, true): .replayed
            case (.answered, false): .helping
            case (_, true): .failed
            case (_, false): nil
            }
        return (ended, [.keepAnswer(bytes)] + (count.map { [.count($0)] } ?? []))
    }

    private func retry(
        _ record: TicketRecord, now: Int64
    ) -> (record: TicketRecord?, actions: [TicketAction]) {
        var again = record
        again.failures = 0
        again.notBefore = 0
        switch record.state {
        case .waiting:
            return (again, [])
        case .failed:
            again.state = .waiting
            again.round += 1
            again.expires = later(now, limits.ticketLife)
            again.changed = nil
            again.answerBytes = 0
            again.revision += 1
            again.isTold = false
            return (again, [.dropAnswer])
        case .answered, .deleted, .expired:
            return (record, [])
        }
    }

    private func merge(
        _ news: TicketNews, over kept: [UInt8]?, into record: TicketRecord, now: Int64,
        totals: TicketTotals
    ) -> (record: TicketRecord?, actions: [TicketAction]) {
        if news.state == .deleted {
            guard record.state != .deleted else { return (record, []) }
            var deleted = trace(of: record, as: .deleted, changed: news.changed ?? now)
            deleted.revision = max(record.revision, news.revision)
            deleted.isTold = true
            return (deleted, [.dropBytes])
        }
        guard Self.stands(news, above: record, with: kept) else {
            guard news.state == .waiting, record.state == .waiting, news.round == record.round
            else { return (record, []) }
            var same = record
            same.failures = max(record.failures, news.failures)
            return (same, [])
        }
        guard now < news.expires else { return (record, [.count(.dropped)]) }
        var merged = record
        merged.state = news.state
        merged.round = news.round
        merged.expires = news.expires
        merged.changed = news.changed
        merged.failures = max(news.failures, news.round == record.round ? record.failures : 0)
        merged.notBefore = 0
        merged.revision = max(record.revision, news.revision)
        merged.isTold = true
        let answer = merged.hasAnswer ? news.answer ?? [] : nil
        merged.answerBytes = answer?.count ?? 0
        // What has expired here has lost its request.
        if record.isTrace { merged.requestBytes = news.request.count }
        let growth = merged.storedBytes - record.storedBytes
        // Whoever waits for an own ticket gets its answer, whatever the bounds say.
        guard record.isOwn || growth <= 0 || hasPlace(for: growth, isOwn: false, totals) else {
            return (record, [.count(.dropped)])
        }
        var actions: [TicketAction] = record.isTrace ? [.keepRequest(news.request)] : []
        if let answer {
            actions.append(.keepAnswer(answer))
        } else if record.hasAnswer {
            actions.append(.dropAnswer)
        }
        if record.isOwn, !record.hasAnswer {
            if merged.state == .answered { actions.append(.count(.helped)) }
            if merged.state == .failed { actions.append(.count(.failed)) }
        }
        return (merged, actions)
    }

    /// Whether what is told stands above what is known; deletions apart.
    ///
    /// - Parameter kept: the answer that is there; needed only where both are of the same millisecond.
    private static func stands(
        _ news: TicketNews, above record: TicketRecord, with kept: [UInt8]?
    ) -> Bool {
        switch record.state {
        case .deleted: return false
        case .answered: return news.state == .answered && isEarlier(news, than: record, kept)
        case .expired: return news.round > record.round
        case .waiting, .failed:
            if news.state == .answered { return true }
            guard news.round == record.round else { return news.round > record.round }
            guard news.state == .failed else { return false }
            return record.state == .waiting || isEarlier(news, than: record, kept)
        }
    }

    /// Of two results of the same kind.
    private static func isEarlier(
        _ news: TicketNews, than record: TicketRecord, _ kept: [UInt8]?
    ) -> Bool {
        let (told, known) = (news.changed ?? .max, record.changed ?? .max)
        guard told == known else { return told < known }
        guard let kept else { return false }
        return (news.answer ?? []).lexicographicallyPrecedes(kept)
    }

    // MARK: Time and place

    /// What time alone has made of it.
    private func age(
        _ record: TicketRecord, now: Int64
    ) -> (record: TicketRecord?, actions: [TicketAction]) {
        if record.isTrace {
            return (now >= later(record.expires, limits.traceLife) ? nil : record, [])
        }
        guard now >= record.expires else { return (record, []) }
        let expired = trace(of: record, as: .expired, changed: record.changed)
        let isLost = record.state == .waiting && record.isOwn
        return (expired, isLost ? [.dropBytes, .count(.expired)] : [.dropBytes])
    }

    private func trace(
        of record: TicketRecord, as state: TicketState, changed: Int64?
    ) -> TicketRecord {
        var trace = record
        trace.state = state
        trace.changed = changed
        trace.notBefore = 0
        trace.isTold = true
        trace.requestBytes = 0
        trace.answerBytes = 0
        return trace
    }

    private func hasPlace(for bytes: Int, isOwn: Bool, _ totals: TicketTotals) -> Bool {
        totals.bytes + bytes <= limits.answeredBytesMax
            && (isOwn || totals.foreignBytes + bytes <= limits.foreignBytesMax)
    }

    private func later(_ time: Int64, _ life: Int64) -> Int64 {
        let (sum, overflow) = time.addingReportingOverflow(life)
        return overflow ? .max : sum
    }

    /// How long a ticket waits whose request this gateway can't read: another one may answer it meanwhile.
    static let unreadableTime: Int64 = 60_000

    /// 1 s, doubled with each failure up to 60 s; between half of it and all of it, so that many do not come at once.
    static func backOff(failures: Int, jitter: Double) -> Int64 {
        let doubled: Int64 = 1_000 << Int64(min(failures, 6))
        let half: Int64 = min(60_000, doubled) / 2
        return half + Int64(Double(half) * jitter)
    }
}
