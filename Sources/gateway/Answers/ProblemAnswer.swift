/// A problem as an answer: `application/problem+json`, or a page for whoever prefers one.
enum ProblemAnswer {
    /// - Parameter methods: those that the request's path has, for `Allow`.
    static func answer(
        _ problem: Problem, identity: RequestIdentity, as form: Representation,
        in language: Language, query: String, methods: String = Route.readingMethods
    ) -> Answer {
        var answer: Answer
        switch form {
        case .html:
            answer = Answer(
                html: ProblemPage.bytes(
                    problem, identity: identity, language: language, query: query),
                language: language)
        case .json, .ndjson, .text:
            answer = Answer(json: json(problem, identity, language), language: language)
            answer.contentType = "application/problem+json"
        }
        answer.status = problem.code.status
        answer.isTagged = false
        if let seconds = problem.retryAfter {
            answer.headers.append(("Retry-After", String(seconds)))
        }
        if problem.code == .methodNotAllowed { answer.headers.append(("Allow", methods)) }
        return answer
    }

    private static func json(
        _ problem: Problem, _ identity: RequestIdentity, _ language: Language
    ) -> [UInt8] {
        var json = JSONText()
        append(problem, uuid: identity.uuid, language, to: &json)
        json.raw("\n")
        return json.takeBytes()
    }

    /// Appends the problem's object.
    ///
    /// - Parameter uuid: the request's, for `instance`; nil: none is told.
    static func append(
        _ problem: Problem, uuid: String?, _ language: Language, to json: inout JSONText
    ) {
        json.raw("{\"type\":")
        json.string("/problemas/\(problem.code.rawValue)")
        json.raw(",\"title\":")
        json.string(problem.code.title[language])
        json.raw(",\"status\":")
        json.number(problem.code.status)
        json.raw(",\"detail\":")
        json.string(problem.detail[language])
        if let uuid {
            json.raw(",\"instance\":")
            json.string("urn:uuid:\(uuid)")
        }
        json.raw(",\"codigo\":")
        json.string(problem.code.rawValue)
        if let parameter = problem.parameter {
            json.raw(",\"parametro\":")
            json.string(parameter)
        }
        if let column = problem.column {
            json.raw(",\"columna\":")
            json.number(column)
        }
        json.raw("}")
    }
}
