/// The paths of the API. A slash behind one is another path, which there is none of.
enum Route: Sendable, Hashable {
    case home
    case list
    case search
    case health
    case readiness
    case openAPI
    case problem(ProblemCode)
    case metrics
    /// A ticket, by what stands where its id belongs.
    case ticket(String)
    /// A ticket's answer.
    case ticketResult(String)

    /// The methods of every path but a ticket's.
    static let readingMethods = "GET, HEAD"

    /// The route of a path; nil where there is none.
    init?(path: [UInt8]?) {
        guard let path, let text = String(validating: path, as: UTF8.self) else { return nil }
        switch text {
        case "/": self = .home
        case "/listar_archivos": self = .list
        case "/buscar_archivos": self = .search
        case "/salud", "/livez": self = .health
        case "/salud/listo", "/readyz": self = .readiness
        case "/openapi.json": self = .openAPI
        case "/metricas", "/metrics": self = .metrics
        default:
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            switch (parts.count, parts.dropFirst().first) {
            case (3, "problemas"):
                guard let code = ProblemCode(rawValue: String(parts[2])) else { return nil }
                self = .problem(code)
            case (3, "solicitudes") where !parts[2].isEmpty: self = .ticket(String(parts[2]))
            case (4, "solicitudes") where !parts[2].isEmpty && parts[3] == "resultado":
                self = .ticketResult(String(parts[2]))
            default: return nil
            }
        }
    }

    /// The methods that the path has, as `Allow` tells them.
    var methods: String {
        if case .ticket = self { "GET, HEAD, DELETE" } else { Self.readingMethods }
    }

    /// Whether the path has a method.
    func allows(_ method: String) -> Bool {
        switch method {
        case "GET", "HEAD": true
        case "DELETE": if case .ticket = self { true } else { false }
        default: false
        }
    }

    /// The route's name, for logs and figures: never what a client made up.
    var name: String { RouteLabel(self).name }
}
