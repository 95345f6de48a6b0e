import FileModel

/// The parameters of `/listar_archivos` and `/buscar_archivos`, as typed values.
struct ListParameters: Sendable {
    /// Which of the two endpoints.
    enum Endpoint: String, Sendable, Hashable {
        case list = "/listar_archivos"
        case search = "/buscar_archivos"
    }

    /// Whether the number of all entries is told.
    enum TotalWish: Sendable, Hashable {
        case exact
        case none
        case automatic
    }

    let endpoint: Endpoint
    private(set) var path = RelativePath.root
    private let form: Representation
    private var givenLimit: Int?
    private(set) var cursor: String?
    private(set) var criterion = ListOrder.Criterion.natural
    /// `orden`, where it was given.
    private var givenOrder: GivenOrder?
    private(set) var descending = false
    private(set) var directoriesFirst = false
    private(set) var kinds = EntryKinds.all
    private(set) var includesHidden = false
    private(set) var total = TotalWish.automatic
    /// Whether a ticket will do where the daemon is absent (`encolar`).
    private(set) var mayBecomeTicket = true
    /// `q` as typed.
    private(set) var text: String?
    /// Whether a filter was given, so that a search needs no `q`.
    private var hasFilter = false
    /// The parameters as they were given, decoded.
    private var given: [(name: String, value: [UInt8])] = []

    private enum GivenOrder {
        case sorted
        case none
    }

    private init(_ endpoint: Endpoint, _ form: Representation) {
        self.endpoint = endpoint
        self.form = form
    }

    /// Reads a query.
    ///
    /// - Throws: ``Problem`` of the first fault, the inside of `q` after all parameters.
    ///
    /// - Parameter form: that of the answer, which decides whether the list comes whole.
    init(
        _ query: [UInt8], of endpoint: Endpoint, as form: Representation = .json
    ) throws(Problem) {
        var parameters = ListParameters(endpoint, form)
        try ParameterReader.read(query) { (parameter) throws(Problem) in
            try parameters.take(parameter)
        }
        self = parameters
        if givenOrder == GivenOrder.none, givenLimit != nil || cursor != nil || directoriesFirst {
            throw .invalidValue(
                "orden",
                Text(
                    "no puede ser ninguno con limite, cursor o directorios_primero",
                    "must not be ninguno with limite, cursor or directorios_primero"))
        }
        if endpoint == .search, text == nil, !hasFilter {
            throw .invalidValue(
                "q",
                Text(
                    "falta: di qué buscar, o filtra con tipo",
                    "is missing: say what to search, or filter by tipo"))
        }
        if let text {
            do throws(NameQuery.Flaw) {
                _ = try NameQuery(text)
            } catch {
                throw Problem(error)
            }
        }
    }

    private mutating func take(_ parameter: ParameterReader.Parameter) throws(Problem) -> Bool {
        switch parameter.name {
        case "ruta": path = try Self.path(parameter)
        case "limite": givenLimit = try parameter.number(in: PageRequest.limits)
        case "cursor": cursor = try parameter.text()
        case "orden": try takeOrder(parameter)
        case "directorios_primero": directoriesFirst = try parameter.flag()
        case "tipo":
            kinds = try Self.kinds(parameter)
            hasFilter = true
        case "ocultos": includesHidden = try parameter.flag()
        case "total":
            total = try parameter.choice(["exacto": .exact, "no": .none, "auto": .automatic])
        case "encolar": mayBecomeTicket = try parameter.choice(["si": true, "no": false])
        // Only judged here: it was read with what the client wishes for, before all else (`Wishes`).
        case "formato":
            _ = try parameter.choice(
                ["json": Representation.json, "html": .html, "ndjson": .ndjson, "texto": .text])
        case "q" where endpoint == .search: text = try Self.query(parameter)
        default: return false
        }
        given.append((parameter.name, parameter.value))
        return true
    }

    private static func path(_ parameter: ParameterReader.Parameter) throws(Problem) -> RelativePath
    {
        do throws(RelativePath.Flaw) {
            return try RelativePath(parameter.value)
        } catch {
            switch error {
            case .holdsNUL:
                throw .invalidValue("ruta", Text("no puede llevar NUL", "must not hold NUL"))
            case .tooLong:
                let bytes = RelativePath.byteCountMax
                throw .invalidValue(
                    "ruta",
                    Text("tiene más de \(bytes) bytes", "is over \(bytes) bytes long"))
            }
        }
    }

    private mutating func takeOrder(_ parameter: ParameterReader.Parameter) throws(Problem) {
        if form.isLines, parameter.value == Array("ninguno".utf8) {
            givenOrder = GivenOrder.none
            return
        }
        givenOrder = .sorted
        let orders: KeyValuePairs<String, (ListOrder.Criterion, Bool)> = [
            "natural": (.natural, false), "-natural": (.natural, true),
            "nombre": (.name, false), "-nombre": (.name, true),
        ]
        (criterion, descending) = try parameter.choice(
            orders, besides: form.isLines ? ["ninguno"] : [])
    }

    /// Entries on a page.
    var limit: Int { givenLimit ?? PageRequest.defaultLimit }

    /// Whether the whole list is asked for, not a page of it.
    var isWhole: Bool { form.isLines && givenLimit == nil }

    /// How a whole list comes: as the file system gives it, where nothing asks for an order.
    ///
    /// - Parameter place: the cursor's.
    func streamOrder(after place: ListPosition?) -> StreamOrder {
        let isSorted = givenOrder == .sorted || place != nil || directoriesFirst
        return isSorted ? .sorted(after: place) : .unsorted
    }

    private static func kinds(_ parameter: ParameterReader.Parameter) throws(Problem) -> EntryKinds
    {
        var kinds = EntryKinds()
        for item in parameter.value.split(
            separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        {
            let one = ParameterReader.Parameter(name: parameter.name, value: Array(item))
            kinds.insert(
                EntryKinds(
                    try one.choice([
                        "archivo": EntryKind.file, "directorio": .directory, "enlace": .link,
                        "otro": .other,
                    ])))
        }
        return kinds
    }

    private static func query(_ parameter: ParameterReader.Parameter) throws(Problem) -> String {
        guard parameter.value.count <= NameQuery.byteCountMax else {
            let bytes = NameQuery.byteCountMax
            throw .invalidValue(
                "q", Text("tiene más de \(bytes) bytes", "is over \(bytes) bytes long"))
        }
        return try parameter.text()
    }

    /// What is asked for, whatever page of it.
    var query: EntryQuery {
        EntryQuery(
            path: path,
            order: ListOrder(
                criterion, descending: descending, directoriesFirst: directoriesFirst),
            kinds: kinds, includesHidden: includesHidden)
    }

    /// All that a cursor belongs to, as bytes.
    var identity: [UInt8] {
        var bytes = Array(endpoint.rawValue.utf8)
        bytes.append(0)
        bytes.append(contentsOf: path.bytes)
        bytes.append(0)
        bytes.append(criterion == .natural ? 1 : 2)
        bytes.append(descending ? 1 : 0)
        bytes.append(directoriesFirst ? 1 : 0)
        bytes.append(kinds.rawValue)
        bytes.append(includesHidden ? 1 : 0)
        if let text {
            bytes.append(1)
            bytes.append(contentsOf: text.utf8)
        }
        return bytes
    }

    /// The same request with some parameters changed or (nil) left out, as a path with a query.
    func target(
        _ endpoint: Endpoint? = nil, changing changes: KeyValuePairs<String, [UInt8]?>
    ) -> String {
        var pairs = given.filter { pair in !changes.contains { $0.key == pair.name } }
        for case (let name, let value?) in changes { pairs.append((name, value)) }
        let query = pairs.map { "\($0.name)=\(PercentCoding.encoded($0.value))" }
        let path = (endpoint ?? self.endpoint).rawValue
        return query.isEmpty ? path : "\(path)?\(query.joined(separator: "&"))"
    }
}
