import Backlog
import Synchronization

/// Takes requests in as tickets, tells how they stand, hands their answers out.
struct TicketDesk: Sendable {
    let backlog: Backlog
    private let waits: Waits

    /// Clients that wait for a ticket's change now.
    private final class Waits: Sendable {
        let count = Atomic(0)
        let max: Int

        init(max: Int) { self.max = max }
    }

    /// - Parameter workers: requests that the gateway carries at the same time; a sixteenth of them may wait for a
    ///   ticket's change.
    init(backlog: Backlog, workers: Int) {
        self.backlog = backlog
        waits = Waits(max: max(1, workers / 16))
    }

    /// Keeps a request. When this returns the ticket is on the disk.
    ///
    /// - Parameter entries: how many its answer may have: room is kept for as many of a usual size.
    /// - Throws: ``Problem`` `backlogFull` where there is no room; `serviceAbsent` where nothing can be kept.
    func accept(
        _ request: ListRequest, daemon: String, of identity: RequestIdentity, entries: Int
    ) throws(Problem) -> Ticket {
        do throws(BacklogError) {
            let kept = try bytes(of: KeptRequest(request, of: identity))
            return try backlog.accept(
                service: daemon, request: kept,
                answerBytes: Self.answerBytes(request.form, entries: entries))
        } catch {
            var problem = Problem(error.code == .full ? .backlogFull : .serviceAbsent)
            problem.retryAfter = error.code == .full ? 10 : 1
            problem.cause = "\(daemon) is absent, and the backlog takes nothing: \(error.message)"
            throw problem
        }
    }

    /// What a page usually takes: 250 bytes an entry as JSON, twice that as HTML.
    private static func answerBytes(_ form: Representation, entries: Int) -> Int {
        switch form {
        case .json, .ndjson, .text: 1_000 + 250 * entries
        case .html: 3_000 + 500 * entries
        }
    }

    private func bytes(of kept: KeptRequest) throws(BacklogError) -> [UInt8] {
        do throws(KeptRequest.Unreadable) {
            return try kept.bytes()
        } catch {
            throw BacklogError(.broken, "the request can't be encoded")
        }
    }

    /// A ticket, for who asks for it.
    ///
    /// - Parameter wait: how many seconds to wait for its end.
    /// - Throws: ``Problem``: unknown, deleted or expired.
    func ticket(
        _ id: String, waiting wait: Int?
    ) throws(Problem) -> (ticket: Ticket, problem: Problem?, hasWaited: Bool) {
        let id = try Self.id(id)
        var ticket = try find(id)
        var hasWaited = false
        if ticket.state == .waiting, let wait, wait > 0 {
            hasWaited = waits.count.add(1, ordering: .relaxed).newValue <= waits.max
            defer { waits.count.subtract(1, ordering: .relaxed) }
            if hasWaited { ticket = try find(id, waiting: .seconds(wait)) }
        }
        guard ticket.state == .failed else { return (ticket, nil, hasWaited) }
        let kept = try kept(id)
        return (ticket, kept?.answer.problem ?? Problem(.internalError), hasWaited)
    }

    /// A ticket's answer and the request that it answers.
    ///
    /// - Throws: ``Problem``: unknown, deleted, expired, not answered yet.
    func result(
        _ id: String
    ) throws(Problem) -> (ticket: Ticket, request: ListRequest, answer: KeptAnswer) {
        let id = try Self.id(id)
        if let kept = try kept(id) { return kept }
        let ticket = try find(id)
        var problem = Problem(.ticketPending)
        problem.retryAfter = TicketDocument.retryAfter(ticket)
        throw problem
    }

    /// Forgets a ticket.
    ///
    /// - Throws: ``Problem``: unknown, deleted or expired.
    func delete(_ id: String) throws(Problem) {
        let id = try Self.id(id)
        do throws(BacklogError) {
            if try backlog.delete(id) { return }
        } catch {
            throw Problem(error)
        }
        _ = try find(id)
        // It ended between the two looks.
        throw Problem(.ticketUnknown)
    }

    private static func id(_ text: String) throws(Problem) -> TicketID {
        guard let id = TicketID(text) else { throw Problem(.ticketUnknown) }
        return id
    }

    private func find(_ id: TicketID, waiting: Duration? = nil) throws(Problem) -> Ticket {
        let found: Ticket?
        do throws(BacklogError) {
            if let waiting {
                found = try backlog.ticket(id, changedFrom: .waiting, within: waiting)
            } else {
                found = try backlog.ticket(id)
            }
        } catch {
            throw Problem(error)
        }
        guard let found, found.state != .deleted else { throw Problem(.ticketUnknown) }
        guard found.state != .expired else { throw Problem(.ticketExpired) }
        return found
    }

    private func kept(
        _ id: TicketID
    ) throws(Problem) -> (ticket: Ticket, request: ListRequest, answer: KeptAnswer)? {
        do {
            guard let (ticket, request, answer) = try backlog.answer(id) else { return nil }
            return (ticket, try KeptRequest(request).request, try KeptAnswer(answer))
        } catch let error as BacklogError {
            throw Problem(error)
        } catch {
            var problem = Problem(.internalError)
            problem.cause = "ticket \(id) can't be read"
            throw problem
        }
    }
}
