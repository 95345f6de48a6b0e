import FileModel
import RPC

/// Makes the answers that are lists: asks the daemon, writes the page.
struct ListAnswers: Sendable {
    let daemons: Daemons
    let seal: CursorSeal
    /// On whose behalf.
    var caller = Daemon.Caller.client

    /// The answer to a request.
    ///
    /// - Parameters:
    ///   - limit: how long the daemon may take; nil: its deadline.
    ///   - cancellation: lets another thread give the call up.
    /// - Throws: ``Problem``: the request's, or the daemon's.
    func answer(
        to request: ListRequest, for identity: RequestIdentity, within limit: Duration? = nil,
        cancellation: RPCCancellation? = nil
    ) throws(Problem) -> Answer {
        let parameters = try request.parameters()
        let place = try place(of: parameters)
        let page = try daemons.page(
            parameters, after: place, for: identity, by: caller, within: limit,
            cancellation: cancellation)
        let cursor = page.next.map { seal.seal($0, of: parameters.identity) }
        var answer: Answer
        switch request.form {
        case .json:
            answer = Answer(
                json: PageJSON.bytes(
                    page, parameters, cursor: cursor, language: request.language),
                language: request.language)
        case .ndjson, .text:
            answer = Answer(
                lines: ListLines.page(
                    page, parameters, as: request.form, cursor: cursor, language: request.language),
                as: request.form, language: request.language)
        case .html:
            answer = Answer(
                html: ListPage.bytes(
                    page, parameters, cursor: cursor, language: request.language),
                language: request.language)
        }
        // The page for people has its links inside.
        if let cursor, request.page != .home {
            let next = parameters.target(changing: ["cursor": Array(cursor.utf8)])
            answer.headers.append(("Link", "<\(next)>; rel=\"next\""))
        }
        answer.tag()
        return answer
    }

    /// The request's parameters, the cursor among them, where a daemon could answer it.
    ///
    /// - Throws: ``Problem`` of the first fault.
    func checked(_ request: ListRequest) throws(Problem) -> ListParameters {
        let parameters = try request.parameters()
        _ = try place(of: parameters)
        return parameters
    }

    /// The daemon that answers a request.
    func daemon(for request: ListRequest) -> Daemon {
        daemons.daemon(of: request.endpoint)
    }

    /// The place of the request's cursor.
    ///
    /// - Throws: ``Problem`` where it is none, or of another list.
    func place(of parameters: ListParameters) throws(Problem) -> ListPosition? {
        guard let cursor = parameters.cursor else { return nil }
        guard let place = seal.open(cursor, of: parameters.identity) else {
            throw Problem(.invalidCursor, parameter: "cursor")
        }
        return place
    }
}
