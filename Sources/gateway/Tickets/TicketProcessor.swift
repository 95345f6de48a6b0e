import Backlog
import Logging

/// Answers kept requests when their daemon is well again.
struct TicketProcessor: Sendable {
    let answers: ListAnswers
    let log: Logger

    /// What came of one attempt. Never throws: whatever went wrong is an outcome.
    func attempt(_ bytes: [UInt8], of id: TicketID) -> Attempt {
        do {
            let kept = try KeptRequest(bytes)
            return try attempt(kept, of: id)
        } catch {
            // The backlog says so, once.
            return .notForUs
        }
    }

    private func attempt(
        _ kept: KeptRequest, of id: TicketID
    ) throws(KeptRequest.Unreadable) -> Attempt {
        let problem: Problem
        switch Result(catching: { () throws(Problem) in
            try answers.answer(to: kept.request, for: kept.identity)
        }) {
        case .success(let answer): return .answered(try KeptAnswer(answer).bytes())
        case .failure(let failure): problem = failure
        }
        // Neither an absent daemon nor a gateway that stops is a failure of the request.
        if problem.isDaemonAbsent || problem.isCancelled { return .unavailable }
        if problem.code.status == 503 { return .busy }
        // Who does not answer at all has not answered with a failure.
        if problem.code == .outOfTime, !answers.daemon(for: kept.request).answersHealth() {
            return .unavailable
        }
        let answer = ProblemAnswer.answer(
            problem, identity: kept.identity, as: kept.request.form, in: kept.request.language,
            // What can't be read was not searched.
            query: (try? kept.request.parameters())?.text ?? "")
        let result = try KeptAnswer(answer, problem: problem).bytes()
        guard problem.code.status >= 500 else { return .answered(result) }
        log.warning(
            "ticket \(id): \(problem.code.rawValue): \(problem.cause ?? "-")",
            metadata: [
                "TICKET_ID": "\(id)", "REQUEST_ID": "\(kept.identity.id)",
                "ERROR_TYPE": "\(problem.code.rawValue)",
            ])
        return .failed(result)
    }
}
