import FileModel
import RPC

/// What went wrong with a request, as RFC 9457 tells it.
struct Problem: Error, Sendable, Hashable {
    /// Which problem.
    let code: ProblemCode
    /// What is wrong this time.
    let detail: Text
    /// The parameter at fault.
    var parameter: String?
    /// Where in the parameter: Unicode scalars from 1.
    var column: Int?
    /// `Retry-After`, in seconds.
    var retryAfter: Int?
    /// For the log only: what the daemon or the system said.
    var cause: String?
    /// How the call to the daemon ended, where there was one.
    var callCode: RPCStatusCode?

    init(_ code: ProblemCode, _ detail: Text? = nil, parameter: String? = nil) {
        self.code = code
        self.detail = detail ?? code.meaning
        self.parameter = parameter
    }

    /// Whether there was no daemon to answer: then a ticket may.
    var isDaemonAbsent: Bool { callCode == .unavailable }

    /// Nobody waits for the answer any more.
    static var clientGone: Problem {
        var problem = Problem(.outOfTime)
        problem.callCode = .cancelled
        return problem
    }

    /// Whether the gateway itself gave the call up: it is stopping, or the client has gone.
    var isCancelled: Bool { callCode == .cancelled }

    /// The server has more to do than it can.
    ///
    /// - Parameter cause: for the log.
    static func overload(_ cause: String) -> Problem {
        var problem = Problem(.overload)
        problem.retryAfter = 1
        problem.cause = cause
        return problem
    }

    static func unknownParameter(_ name: String) -> Problem {
        Problem(
            .unknownParameter,
            Text("No se conoce el parámetro «\(name)».", "The parameter “\(name)” is not known."),
            parameter: name)
    }

    static func repeatedParameter(_ name: String) -> Problem {
        Problem(
            .repeatedParameter,
            Text("El parámetro «\(name)» se repite.", "The parameter “\(name)” is repeated."),
            parameter: name)
    }

    /// - Parameter what: a predicate: "must be …".
    static func invalidValue(_ name: String, _ what: Text) -> Problem {
        Problem(
            .invalidValue,
            Text(
                "El parámetro «\(name)» \(what.spanish).",
                "The parameter “\(name)” \(what.english)."),
            parameter: name)
    }

    static func brokenEscape(_ name: String) -> Problem {
        invalidValue(
            name,
            Text("lleva un escape % incompleto", "has a broken percent escape"))
    }
}

extension Problem {
    /// Why `q` can't be read, and where.
    init(_ flaw: NameQuery.Flaw) {
        let what =
            switch flaw.reason {
            case .nothingToSearch: Text("no dice qué buscar", "does not say what to search")
            case .tooManyTerms:
                Text(
                    "tiene más de \(NameQuery.termCountMax) palabras",
                    "has more than \(NameQuery.termCountMax) words")
            case .openQuote: Text("tiene una comilla sin cerrar", "has a quote that is not closed")
            case .emptyPhrase: Text("tiene una frase vacía", "has an empty phrase")
            case .quoteInsideWord:
                Text("tiene una comilla dentro de una palabra", "has a quote inside a word")
            case .textAfterPhrase:
                Text("tiene texto pegado a una frase", "has text right behind a phrase")
            case .loneDash: Text("tiene un guion sin palabra", "has a dash without a word")
            case .alternative:
                Text(
                    "usa a|b, que no se conoce; entre comillas es texto",
                    "uses a|b, which is not known; in quotes it is text")
            case .key:
                Text(
                    "usa clave:, que no se conoce; entre comillas es texto",
                    "uses key:, which is not known; in quotes it is text")
            }
        self = .invalidValue("q", what)
        column = flaw.column
    }
}
