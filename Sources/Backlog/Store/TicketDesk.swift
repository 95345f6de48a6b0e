/// What is in hand at the moment: tickets being processed, and those that the broker's queue has offered. It belongs to
/// the store's thread, and goes with the process: the database and the broker know what to begin again with.
final class TicketDesk {
    typealias Done = @Sendable (OfferOutcome) -> Void

    private struct Offer {
        let service: String
        let done: Done
    }

    private var taken: Set<TicketID> = []
    private var offers: [TicketID: [Offer]] = [:]
    /// Those of the taken ones that were offered by other gateways, and their services.
    private var foreign: [TicketID: String] = [:]
    /// Offered tickets of other gateways that nobody has taken, by service, in the order in which they came.
    private var offered: [String: [TicketID]] = [:]

    /// Somebody is working on it.
    func isTaken(_ id: TicketID) -> Bool { taken.contains(id) }

    // MARK: Taking

    /// Tickets to process now: own ones oldest first, and as many of those that were offered.
    func take(
        _ service: String, countMax: Int, from ledger: Ledger, now: Int64
    ) throws(StoreFault) -> [TakenTicket] {
        let queued = offered[service]?.count ?? 0
        let forOthers = min(queued, (countMax + 1) / 2)
        var found = try ledger.due(
            service, now: now, countMax: countMax - forOthers, except: isTaken)
        if queued > 0 {
            found += try takeOffered(
                service, countMax: countMax - found.count, from: ledger, now: now)
        }
        for ticket in found { taken.insert(ticket.id) }
        return found
    }

    private func takeOffered(
        _ service: String, countMax: Int, from ledger: Ledger, now: Int64
    ) throws(StoreFault) -> [TakenTicket] {
        var found: [TakenTicket] = []
        var later: [TicketID] = []
        let queue = offered[service] ?? []
        for (place, id) in queue.enumerated() {
            guard found.count < countMax else {
                later += queue[place...]
                break
            }
            guard offers[id] != nil else { continue }
            guard let (record, request) = try ledger.request(id), record.state == .waiting,
                now < record.expires
            else {
                settle(id, try ledger.record(id), now: now)
                continue
            }
            if record.notBefore > now || isTaken(id) {
                later.append(id)
            } else {
                found.append(TakenTicket(id: id, request: request))
                foreign[id] = service
            }
        }
        offered[service] = later.isEmpty ? nil : later
        return found
    }

    /// When something that was offered may be due: it is not known exactly, so it is looked at again soon.
    func hasOffered(_ service: String) -> Bool { offered[service] != nil }

    /// Nobody works on it any more. If it was offered and nobody was told what came of it, it comes again: whether it
    /// still waits is seen then.
    func putBack(_ id: TicketID) {
        guard taken.remove(id) != nil, let service = foreign.removeValue(forKey: id),
            offers[id] != nil
        else { return }
        offered[service, default: []].append(id)
    }

    // MARK: Offers

    /// A ticket of the work queue whose news are committed.
    func offer(_ id: TicketID, _ record: TicketRecord?, now: Int64, done: @escaping Done) {
        guard let record else { return done(.ended) }
        let isKnown = offers[id] != nil
        offers[id, default: []].append(Offer(service: record.service, done: done))
        settle(id, record, now: now)
        // An own ticket is replayed from the store.
        if !isKnown, offers[id] != nil, record.state == .waiting, !record.isOwn {
            offered[record.service, default: []].append(id)
        }
    }

    /// Tells those who offered it if it has ended and that is known to all.
    func settle(_ id: TicketID, _ record: TicketRecord?, now: Int64) {
        guard offers[id] != nil else { return }
        guard let record else { return answer(id, .ended) }
        let isPast = !record.isTrace && now >= record.expires
        if isPast || record.state != .waiting && record.isTold { answer(id, .ended) }
    }

    /// Tells those who offered it what came of it here.
    func answer(_ id: TicketID, _ outcome: OfferOutcome) {
        for offer in offers.removeValue(forKey: id) ?? [] { offer.done(outcome) }
    }

    /// The daemon is gone: what was offered for it goes back, but for what has been answered already.
    func release(_ service: String, in ledger: Ledger) {
        offered[service] = nil
        for (id, waiting) in offers where waiting.contains(where: { $0.service == service }) {
            // Unreadable: it is told with the next change, or when the channel closes.
            guard !isTaken(id), let record = try? ledger.record(id), record.state == .waiting
            else { continue }
            answer(id, .released)
        }
    }

    /// All of it goes back.
    func releaseAll() {
        offered = [:]
        for id in offers.keys { answer(id, .released) }
    }
}
