/// A route without what a client made up, or `otra`: so the number of series has a bound.
enum RouteLabel: Int, Sendable, CaseIterable {
    case home
    case list
    case search
    case ticket
    case ticketResult
    case health
    case readiness
    case metrics
    case openAPI
    case problem
    case other

    init(_ route: Route?) {
        switch route {
        case .home: self = .home
        case .list: self = .list
        case .search: self = .search
        case .ticket: self = .ticket
        case .ticketResult: self = .ticketResult
        case .health: self = .health
        case .readiness: self = .readiness
        case .metrics: self = .metrics
        case .openAPI: self = .openAPI
        case .problem: self = .problem
        case nil: self = .other
        }
    }

    /// The value of the label `route`.
    var name: String {
        switch self {
        case .home: "/"
        case .list: "/listar_archivos"
        case .search: "/buscar_archivos"
        case .ticket: "/solicitudes/{id}"
        case .ticketResult: "/solicitudes/{id}/resultado"
        case .health: "/salud"
        case .readiness: "/salud/listo"
        case .metrics: "/metricas"
        case .openAPI: "/openapi.json"
        case .problem: "/problemas/{codigo}"
        case .other: "otra"
        }
    }
}
