import FastCGI
import FileModel
import RPC

/// Answers requests: what HTTP means, from the request's bytes to the answer's.
struct RequestHandler: Sendable {
    let daemons: Daemons
    let seal: CursorSeal
    let log: RequestLog
    /// Lists that are being made now.
    let flights: SharedFlights<ListKey, Result<Answer, Problem>>

    /// What makes two requests for a list the same: all that their answers depend on.
    struct ListKey: Hashable, Sendable {
        let endpoint: ListParameters.Endpoint
        let query: [UInt8]
        let form: Representation
        let language: Language
    }

    init(daemons: Daemons, seal: CursorSeal, log: RequestLog, patience: Duration) {
        self.daemons = daemons
        self.seal = seal
        self.log = log
        // An absent daemon was still absent when the last try failed: after all of them had come in.
        flights = SharedFlights(patience: patience) { outcome in
            if case .failure(let problem) = outcome {
                problem.code == .serviceAbsent
            } else {
                false
            }
        }
    }

    /// The response to one request. Whatever happens, there is one.
    func response(to request: Request) -> Response {
        let start = ContinuousClock.now
        let identity = RequestIdentity(request)
        let target = Target(request.target)
        let route = Route(path: target.path)
        let wishes = Wishes(request, target)
        let answer: Answer
        var problem: Problem?
        do throws(Problem) {
            answer = try self.answer(request, route, target, wishes, identity)
        } catch {
            problem = error
            answer = ProblemAnswer.answer(
                error, identity: identity, as: wishes.problemForm, in: wishes.language,
                query: wishes.query)
        }
        let response = CommonHeaders.response(answer, to: request, id: identity.id)
        log.note(
            request, identity, route: route, status: response.status, problem: problem,
            cause: problem?.cause ?? answer.cause,
            duration: ContinuousClock.now - start)
        return response
    }

    private func answer(
        _ request: Request, _ route: Route?, _ target: Target, _ wishes: Wishes,
        _ identity: RequestIdentity
    ) throws(Problem) -> Answer {
        guard let route else { throw Problem(.unknownRoute) }
        guard request.method == "GET" || request.method == "HEAD" else {
            throw Problem(.methodNotAllowed)
        }
        switch route {
        case .list: return try list(.list, target, wishes, identity)
        case .search: return try list(.search, target, wishes, identity)
        case .home: return try home(target, wishes, identity)
        case .problem(let code): return try explanation(of: code, target, wishes)
        case .health: return try health(target)
        case .readiness: return try readiness(target)
        case .openAPI: return try openAPI(target)
        }
    }

    /// `/listar_archivos`, `/buscar_archivos`.
    private func list(
        _ endpoint: ListParameters.Endpoint, _ target: Target, _ wishes: Wishes,
        _ identity: RequestIdentity
    ) throws(Problem) -> Answer {
        let form = try wishes.form()
        let key = ListKey(
            endpoint: endpoint, query: target.query, form: form, language: wishes.language)
        let outcome = flights.cargo(for: key) {
            do throws(Problem) {
                return .success(try list(key, identity))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    private func list(_ key: ListKey, _ identity: RequestIdentity) throws(Problem) -> Answer {
        let parameters = try ListParameters(key.query, of: key.endpoint)
        let place = try place(of: parameters)
        let page = try daemons.page(parameters, after: place, for: identity)
        let cursor = page.next.map { seal.seal($0, of: parameters.identity) }
        var answer: Answer
        switch key.form {
        case .json:
            answer = Answer(
                json: PageJSON.bytes(page, parameters, cursor: cursor, language: key.language),
                language: key.language)
        case .html:
            answer = Answer(
                html: ListPage.bytes(page, parameters, cursor: cursor, language: key.language),
                language: key.language)
        }
        if let cursor {
            let next = parameters.target(changing: ["cursor": Array(cursor.utf8)])
            answer.headers.append(("Link", "<\(next)>; rel=\"next\""))
        }
        answer.tag()
        return answer
    }

    private func place(of parameters: ListParameters) throws(Problem) -> ListPosition? {
        guard let cursor = parameters.cursor else { return nil }
        guard let place = seal.open(cursor, of: parameters.identity) else {
            throw Problem(.invalidCursor, parameter: "cursor")
        }
        return place
    }

    /// `/`: the root, as a page, folders first, as people look for them.
    private func home(
        _ target: Target, _ wishes: Wishes, _ identity: RequestIdentity
    ) throws(Problem) -> Answer {
        try ParameterReader.refuseAll(target.query)
        let parameters = try ListParameters(Array("directorios_primero=true".utf8), of: .list)
        let page = try daemons.page(parameters, after: nil, for: identity)
        let cursor = page.next.map { seal.seal($0, of: parameters.identity) }
        return Answer(
            html: ListPage.bytes(page, parameters, cursor: cursor, language: wishes.language),
            language: wishes.language)
    }

    /// `/problemas/CODIGO`.
    private func explanation(
        of code: ProblemCode, _ target: Target, _ wishes: Wishes
    ) throws(Problem) -> Answer {
        let form = try wishes.form()
        try ParameterReader.refuseAll(target.query)
        switch form {
        case .json:
            return Answer(
                json: ProblemExplanation.json(code, wishes.language), language: wishes.language)
        case .html:
            return Answer(
                html: ProblemExplanation.page(code, wishes.language), language: wishes.language)
        }
    }

    /// `/salud`: the gateway itself lives.
    private func health(_ target: Target) throws(Problem) -> Answer {
        try ParameterReader.refuseAll(target.query)
        var answer = Answer(json: Array("{\"estado\":\"bien\"}\n".utf8))
        answer.isNegotiated = false
        return answer
    }

    /// `/salud/listo`: whether all parts are well; 503 when a daemon is absent.
    private func readiness(_ target: Target) throws(Problem) -> Answer {
        try ParameterReader.refuseAll(target.query)
        let parts = [daemons.listing, daemons.search].map { ($0.name, $0.isWell()) }
        let isReady = parts.allSatisfy(\.1)
        var json = JSONText()
        json.raw(isReady ? "{\"estado\":\"bien\"" : "{\"estado\":\"degradado\"")
        json.raw(",\"partes\":{")
        for (index, part) in parts.enumerated() {
            if index > 0 { json.raw(",") }
            json.string(part.0)
            json.raw(part.1 ? ":{\"estado\":\"bien\"}" : ":{\"estado\":\"ausente\"}")
        }
        json.raw("}}\n")
        var answer = Answer(json: json.bytes)
        answer.status = isReady ? 200 : 503
        answer.isNegotiated = false
        answer.isTagged = false
        if !isReady {
            answer.headers.append(("Retry-After", "1"))
            let absent = parts.filter { !$0.1 }.map(\.0).joined(separator: ", ")
            answer.cause = "absent: \(absent)"
        }
        return answer
    }

    /// `/openapi.json`.
    private func openAPI(_ target: Target) throws(Problem) -> Answer {
        try ParameterReader.refuseAll(target.query)
        var answer = Answer(json: OpenAPI.document)
        answer.isNegotiated = false
        return answer
    }
}
