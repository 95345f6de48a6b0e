import FastCGI

/// A client's request that waits for what another thread brings, and has none of its own.
struct WaitingRequest: Sendable {
    let parked: ParkedRequest
    /// Makes the response and notes how the request ended.
    let conclude: @Sendable (Result<Answer, Problem>) -> Response

    /// Answers it.
    func end(with outcome: Result<Answer, Problem>) {
        parked.answer(conclude(outcome))
    }

    /// Has a worker go on with it, which may block and can't park it again.
    func goOn(_ answer: @escaping @Sendable () throws(Problem) -> Answer?) {
        parked.answer(byWorker: {
            conclude(
                Result { () throws(Problem) in
                    guard let answer = try answer() else { throw Problem(.internalError) }
                    return answer
                })
        })
    }
}
