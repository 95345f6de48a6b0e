import Backlog
import FastCGI
import RPC
import Threads

/// Answers requests for lists: directly, where need be with patience, and otherwise by a ticket.
struct ListDesk: Sendable {
    let answers: ListAnswers
    let tickets: TicketDesk
    /// How long a request waits for a daemon that is absent, where it does not say.
    let patience: Duration
    /// Lists that are being made now.
    private let flights: SharedFlights<ListRequest, Result<Answer, Problem>>

    /// - Parameter workers: requests that the gateway carries at the same time; an eighth of them may wait for slow calls
    ///   of others.
    init(answers: ListAnswers, tickets: TicketDesk, patience: Duration, workers: Int) {
        self.answers = answers
        self.tickets = tickets
        self.patience = patience
        // An absent daemon was still absent when the last try failed: after all of them had come in.
        flights = SharedFlights(
            patience: min(patience, .seconds(1)), passengersMax: max(1, workers / 8)
        ) { outcome in
            if case .failure(let problem) = outcome { problem.isDaemonAbsent } else { false }
        }
    }

    /// The answer to a request, or the ticket that it became.
    ///
    /// - Parameters:
    ///   - mayBecomeTicket: whether the method is GET; `encolar=no` says the same in the query.
    ///   - peer: who waits; when nobody does any more, the daemon is told to stop.
    /// - Throws: ``Problem``: the request's, the daemon's, or that of a backlog that is full.
    func answer(
        to request: ListRequest, mayBecomeTicket: Bool, preferring preferences: Preferences,
        for identity: RequestIdentity, peer: Peer? = nil
    ) throws(Problem) -> Answer {
        if mayBecomeTicket, preferences.respondsAsync {
            let parameters = try answers.checked(request)
            if parameters.mayBecomeTicket {
                return try answerAsync(
                    request, within: preferences.wait ?? 0, for: identity, peer)
            }
        }
        let patience = preferences.wait.map { Duration.seconds($0) } ?? patience
        var mayHaveWaited = true
        do throws(Problem) {
            var answer = try patiently(
                request, patience: patience, for: identity, peer, mayHaveWaited: &mayHaveWaited)
            if let wait = preferences.wait { Self.note("wait=\(wait)", in: &answer) }
            return answer
        } catch {
            guard error.isDaemonAbsent, mayBecomeTicket, try request.parameters().mayBecomeTicket
            else { throw error }
            let wait = mayHaveWaited ? preferences.wait : nil
            return try ticket(request, for: identity, applied: wait.map { "wait=\($0)" })
        }
    }

    /// Asks again as often as the daemon was missed, until patience is over: reading is idempotent, and a restart is a
    /// matter of milliseconds that nobody need see. Patience counts from the moment that the daemon was first missed.
    ///
    /// - Parameter mayHaveWaited: becomes false where too many waited already.
    private func patiently(
        _ request: ListRequest, patience: Duration, for identity: RequestIdentity, _ peer: Peer?,
        mayHaveWaited: inout Bool
    ) throws(Problem) -> Answer {
        let daemon = answers.daemon(for: request)
        let begun = MonotonicClock.now
        let whole = (patience + daemon.deadline).wholeNanoseconds
        var patienceEnds: Int64?
        var left: Duration?
        while true {
            do throws(Problem) {
                return try shared(request, for: identity, peer, within: left)
            } catch {
                guard error.isDaemonAbsent else { throw error }
                let now = MonotonicClock.now
                let end = patienceEnds ?? now + patience.wholeNanoseconds
                patienceEnds = end
                let wait = daemon.watch.awaitReturn(until: min(end, begun + whole))
                mayHaveWaited = wait != .refused
                guard wait == .back else { throw error }
                let rest = Duration.nanoseconds(begun + whole - MonotonicClock.now)
                guard rest > .zero else { throw error }
                left = rest < daemon.deadline ? rest : nil
            }
        }
    }

    /// One try, which identical requests share; where less time is left than they have, one of its own.
    private func shared(
        _ request: ListRequest, for identity: RequestIdentity, _ peer: Peer?,
        within limit: Duration?
    ) throws(Problem) -> Answer {
        if let limit {
            return try answers.answer(
                to: request, for: identity, within: limit,
                cancellation: RPCCancellation(whenGone: peer)
            )
        }
        let whenGone = peer.map { peer in { peer.whenGone($0) } }
        let outcome = flights.cargo(for: request, whenGone: whenGone) { cancellation in
            Result { () throws(Problem) in
                try answers.answer(to: request, for: identity, cancellation: cancellation)
            }
        }
        guard let outcome else {
            if peer?.isGone ?? false { throw .clientGone }
            throw .overload("too many wait for the same slow answer")
        }
        return try outcome.get()
    }

    /// `Prefer: respond-async`: the answer if it comes within the wait, else a ticket.
    private func answerAsync(
        _ request: ListRequest, within wait: Int, for identity: RequestIdentity, _ peer: Peer?
    ) throws(Problem) -> Answer {
        let daemon = answers.daemon(for: request)
        let end = MonotonicClock.now + Duration.seconds(wait).wholeNanoseconds
        var hasWaited = wait > 0
        while true {
            let left = Duration.nanoseconds(end - MonotonicClock.now)
            guard left > .zero else { break }
            do throws(Problem) {
                var answer = try answers.answer(
                    to: request, for: identity, within: min(left, daemon.deadline),
                    cancellation: RPCCancellation(whenGone: peer))
                Self.note("wait=\(wait)", in: &answer)
                return answer
            } catch {
                if error.isDaemonAbsent {
                    let outcome = daemon.watch.awaitReturn(until: end)
                    hasWaited = outcome != .refused
                    if outcome != .back { break }
                } else if error.code == .outOfTime, !error.isCancelled {
                    break
                } else {
                    throw error
                }
            }
        }
        let applied = hasWaited ? "respond-async, wait=\(wait)" : "respond-async"
        return try ticket(request, for: identity, applied: applied)
    }

    private func ticket(
        _ request: ListRequest, for identity: RequestIdentity, applied: String?
    ) throws(Problem) -> Answer {
        let ticket = try tickets.accept(
            request, daemon: answers.daemon(for: request).name, of: identity,
            entries: request.parameters().limit)
        var answer = TicketDocument.answer(ticket, as: request.form, in: request.language)
        answer.status = 202
        answer.headers.append(("Location", TicketDocument.path(ticket)))
        if let applied { Self.note(applied, in: &answer) }
        answer.cause = "ticket \(ticket.id)"
        FailPoint.replyBefore.pass()
        return answer
    }

    /// Says which preferences were heeded (RFC 7240, 3).
    static func note(_ applied: String, in answer: inout Answer) {
        answer.headers.append(("Preference-Applied", applied))
    }
}
