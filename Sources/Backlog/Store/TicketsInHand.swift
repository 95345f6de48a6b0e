/// What is in hand at the moment: tickets being processed, and those that the broker's queue has offered. It belongs to
/// the store's thread, and goes with the process: the database and the broker know what to begin again with.
final class TicketsInHand {
    typealias Done = @Sendable (OfferOutcome) -> Void

    /// Deliveries of one ticket.
    private struct Offer {
        let service: String
        var done: [Done]
        /// It has ended, and others have not heard of it yet.
        var hasEnded = false
    }

    /// How many tickets are remembered that can't be read here.
    private static let unreadableMax = 10_000

    private var taken: Set<TicketID> = []
    private var offers: [TicketID: Offer] = [:]
    /// Those of the taken ones that were offered by other gateways, and their services.
    private var foreign: [TicketID: String] = [:]
    /// Offered tickets of other gateways that nobody has taken, by service, in the order in which they came.
    private var offered: [String: [TicketID]] = [:]
    /// Own tickets for whose answer there was no place: after all others, or one would hold them up.
    private var held: Set<TicketID> = []
    /// Tickets whose requests this gateway can't read: they go back to those who can.
    private var unreadable: Set<TicketID> = []

    /// Somebody is working on it.
    func isTaken(_ id: TicketID) -> Bool { taken.contains(id) }

    // MARK: Taking

    /// Tickets to process now: own ones oldest first, and as many of those that were offered.
    func take(
        _ service: String, countMax: Int, from ledger: Ledger, now: Int64
    ) throws(StoreFault) -> [TakenTicket] {
        let queued = offered[service]?.count ?? 0
        let forOthers = min(queued, (countMax + 1) / 2)
        let wanted = countMax - forOthers
        var found = try ledger.due(service, now: now, countMax: wanted) {
            isTaken($0) || held.contains($0)
        }
        if found.isEmpty, !held.isEmpty {
            found = try ledger.due(service, now: now, countMax: wanted, except: isTaken)
        }
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

    /// Nobody works on it any more. If it was offered and has not ended it is processed again, or goes back to the queue.
    ///
    /// - Parameter isOffered: tickets of its service are processed here.
    func putBack(_ id: TicketID, isOffered: Bool) {
        guard taken.remove(id) != nil else { return }
        let service = foreign.removeValue(forKey: id)
        guard let offer = offers[id], !offer.hasEnded else { return }
        if !isOffered {
            answer(id, .released)
        } else if let service {
            offered[service, default: []].append(id)
        }
    }

    /// There was no place for its answer.
    func hold(_ id: TicketID) {
        held.insert(id)
        answer(id, .released)
    }

    /// Its request can't be read here.
    ///
    /// - Returns: whether that is new.
    func putAside(_ id: TicketID) -> Bool {
        if unreadable.count >= Self.unreadableMax { unreadable = [] }
        answer(id, .released)
        return unreadable.insert(id).inserted
    }

    // MARK: Offers

    /// A ticket of the work queue whose news are committed.
    func offer(_ id: TicketID, _ record: TicketRecord?, now: Int64, done: @escaping Done) {
        guard let record else { return done(.ended) }
        let isKnown = offers[id] != nil
        offers[id, default: Offer(service: record.service, done: [])].done.append(done)
        settle(id, record, now: now)
        if record.state == .waiting, unreadable.contains(id) { answer(id, .released) }
        // An own ticket is replayed from the store.
        if !isKnown, offers[id] != nil, record.state == .waiting, !record.isOwn {
            offered[record.service, default: []].append(id)
        }
    }

    /// Tells those who offered it if it has ended and that is known to all.
    func settle(_ id: TicketID, _ record: TicketRecord?, now: Int64) {
        if record?.state != .waiting, !held.isEmpty { held.remove(id) }
        guard offers[id] != nil else { return }
        guard let record else { return answer(id, .ended) }
        let isPast = !record.isTrace && now >= record.expires
        if isPast || record.state != .waiting && record.isTold { return answer(id, .ended) }
        offers[id]?.hasEnded = record.state != .waiting
    }

    /// Tells those who offered it what came of it here.
    func answer(_ id: TicketID, _ outcome: OfferOutcome) {
        for done in offers.removeValue(forKey: id)?.done ?? [] { done(outcome) }
    }

    /// The daemon is gone: what was offered for it goes back, but for what has been answered already, and what is being
    /// processed, about which `putBack` decides.
    func release(_ service: String) {
        offered[service] = nil
        for (id, offer) in offers where offer.service == service && !offer.hasEnded && !isTaken(id)
        {
            answer(id, .released)
        }
    }

    /// All of it goes back.
    func releaseAll() {
        offered = [:]
        for id in offers.keys { answer(id, .released) }
    }
}
