import Backlog
import FastCGI
import FileModel

/// Answers requests: what HTTP means, from the request's bytes to the answer's.
struct RequestHandler: Sendable {
    let daemons: Daemons
    let lists: ListDesk
    let streams: StreamDesk
    let tickets: TicketDesk
    let log: RequestLog
    let metrics: Metrics
    /// Who may read the figures.
    let metricsAudience: MetricsAudience

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
            switch try reply(to: request, route, target, wishes, identity) {
            case .answer(let made): answer = made
            case .wholeList(let list, let parameters):
                return try streamed(list, parameters, request, route, identity, start)
            }
        } catch {
            problem = error
            answer = ProblemAnswer.answer(
                error, identity: identity, as: wishes.problemForm, in: wishes.language,
                query: wishes.query, methods: route?.methods ?? Route.readingMethods)
        }
        let response = CommonHeaders.response(answer, to: request, id: identity.id)
        let duration = ContinuousClock.now - start
        // As nginx calls it: the client closed the request.
        let isLeft = problem?.isCancelled ?? false && request.peer?.isGone ?? false
        let status = isLeft ? 499 : response.status
        metrics.count(route: route, status: status, duration: duration)
        log.note(
            request, identity, route: route, status: status, problem: isLeft ? nil : problem,
            cause: problem?.cause ?? answer.cause, duration: duration)
        return response
    }

    /// What a request comes to.
    private enum Reply {
        case answer(Answer)
        /// A list that is to be streamed.
        case wholeList(ListRequest, ListParameters)
    }

    /// Answers with a whole list; the request is noted when that has ended.
    private func streamed(
        _ list: ListRequest, _ parameters: ListParameters, _ request: Request, _ route: Route?,
        _ identity: RequestIdentity,
        _ start: ContinuousClock.Instant
    ) throws(Problem) -> Response {
        let stream = try streams.open(
            list, parameters, preferring: Preferences(prefer: request.header("Prefer")),
            for: identity,
            client: ClientAddress(request.parameter("REMOTE_ADDR")), peer: request.peer)
        var answer = Answer(lines: [], as: list.form, language: list.language)
        answer.isTagged = false
        answer.isStreamed = true
        var response = CommonHeaders.response(answer, to: request, id: identity.id)
        metrics.count(
            route: route, status: response.status, duration: ContinuousClock.now - start)
        // Nothing of the response is held by this: the response will hold it.
        let noted = { [metrics, log] (outcome: ListStream.Outcome) in
            metrics.count(outcome)
            log.note(
                request, identity, route: route, outcome, entries: stream.count,
                duration: ContinuousClock.now - start)
        }
        if request.method == "HEAD" {
            noted(.whole)
            return response
        }
        response.stream = { writer in
            let outcome = stream.write(to: writer, for: request.peer)
            noted(outcome)
            if case .whole = outcome { return true }
            return false
        }
        return response
    }

    private func reply(
        to request: Request, _ route: Route?, _ target: Target, _ wishes: Wishes,
        _ identity: RequestIdentity
    ) throws(Problem) -> Reply {
        guard let route else { throw Problem(.unknownRoute) }
        guard route.allows(request.method) else { throw Problem(.methodNotAllowed) }
        switch route {
        case .list: return try list(.list, request, target, wishes, identity)
        case .search: return try list(.search, request, target, wishes, identity)
        case .home: return try list(.home, request, target, wishes, identity)
        case .ticket(let id): return .answer(try ticket(id, request, target, wishes))
        case .ticketResult(let id): return .answer(try result(of: id, target))
        case .problem(let code): return .answer(try explanation(of: code, target, wishes))
        case .health: return .answer(try health(target))
        case .readiness: return .answer(try readiness(target))
        case .metrics: return .answer(try figures(request, target))
        case .openAPI: return .answer(try openAPI(target))
        }
    }

    /// `/listar_archivos`, `/buscar_archivos`, `/`.
    private func list(
        _ page: ListRequest.Page, _ request: Request, _ target: Target, _ wishes: Wishes,
        _ identity: RequestIdentity
    ) throws(Problem) -> Reply {
        let form =
            page == .home ? .html : try wishes.form(among: Representation.allCases)
        let asked = ListRequest(
            page: page, query: target.query, form: form, language: wishes.language)
        if form.isLines {
            let parameters = try asked.parameters()
            if parameters.isWhole { return .wholeList(asked, parameters) }
        }
        return .answer(
            try lists.answer(
                to: asked, mayBecomeTicket: request.method == "GET" && !form.isLines,
                preferring: Preferences(prefer: request.header("Prefer")), for: identity,
                peer: request.peer))
    }

    /// `/solicitudes/{id}`: how a ticket stands; who deletes it forgets it.
    private func ticket(
        _ id: String, _ request: Request, _ target: Target, _ wishes: Wishes
    ) throws(Problem) -> Answer {
        if request.method == "DELETE" {
            try ParameterReader.refuseAll(target.query)
            try tickets.delete(id)
            return .done
        }
        let form = try wishes.form()
        try ParameterReader.refuseAll(target.query)
        let wait = Preferences(prefer: request.header("Prefer")).wait
        let (ticket, problem, hasWaited) = try tickets.ticket(id, waiting: wait)
        var answer = TicketDocument.answer(
            ticket, problem: problem, as: form, in: wishes.language)
        if ticket.state == .answered {
            answer.status = 303
            answer.headers.append(("Location", "\(TicketDocument.path(ticket))/resultado"))
        }
        if hasWaited, let wait { ListDesk.note("wait=\(wait)", in: &answer) }
        return answer
    }

    /// `/solicitudes/{id}/resultado`: what the direct request would have been answered with.
    private func result(of id: String, _ target: Target) throws(Problem) -> Answer {
        try ParameterReader.refuseAll(target.query)
        let (ticket, request, kept) = try tickets.result(id)
        var answer = kept.answer
        answer.headers.append(("Content-Location", request.target))
        var time: [UInt8] = []
        if TicketDocument.time(ticket.changed ?? ticket.created).appendRFC3339(to: &time) {
            answer.headers.append(("Pasarela-Respondida", String(decoding: time, as: UTF8.self)))
        }
        return answer
    }

    /// `/problemas/CODIGO`.
    private func explanation(
        of code: ProblemCode, _ target: Target, _ wishes: Wishes
    ) throws(Problem) -> Answer {
        let form = try wishes.form()
        try ParameterReader.refuseAll(target.query)
        switch form {
        case .json, .ndjson, .text:
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
        return Readiness(
            daemons: daemons.all.map { ($0.name, $0.isWell()) },
            backlog: tickets.backlog.figures()
        ).answer
    }

    /// `/metricas`: the figures for Prometheus, for who is near enough.
    private func figures(_ request: Request, _ target: Target) throws(Problem) -> Answer {
        try ParameterReader.refuseAll(target.query)
        guard metricsAudience.includes(request.parameter("REMOTE_ADDR")) else {
            throw Problem(
                .noPermission,
                Text(
                    "Las cifras se dan solo a esta máquina.",
                    "The figures are given to this machine only."))
        }
        let text = metrics.text(
            figures: tickets.backlog.figures(),
            daemons: daemons.all.map {
                (name: $0.name, isWell: $0.watch.isWell, waiting: $0.watch.waiting)
            }, streams: streams.places.taken)
        var answer = Answer(kept: text, contentType: Metrics.contentType)
        answer.isNegotiated = false
        answer.isTagged = false
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
