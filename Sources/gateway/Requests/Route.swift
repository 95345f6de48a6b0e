/// The paths of the API. A slash behind one is another path, which there is none of.
enum Route: Sendable, Hashable {
    case home
    case list
    case search
    case health
    case readiness
    case openAPI
    case problem(ProblemCode)

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
        default:
            let prefix = "/problemas/"
            guard text.hasPrefix(prefix),
                let code = ProblemCode(rawValue: String(text.dropFirst(prefix.count)))
            else { return nil }
            self = .problem(code)
        }
    }

    /// The route's name, for logs and links: never what a client made up.
    var name: String {
        switch self {
        case .home: "/"
        case .list: "/listar_archivos"
        case .search: "/buscar_archivos"
        case .health: "/salud"
        case .readiness: "/salud/listo"
        case .openAPI: "/openapi.json"
        case .problem: "/problemas/{codigo}"
        }
    }
}
