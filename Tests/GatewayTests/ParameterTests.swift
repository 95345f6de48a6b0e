import FileModel
import TestSupport
import Testing

@testable import gateway

/// The problem that reading a query ends with.
private func problem(_ query: String, _ endpoint: ListParameters.Endpoint) -> Problem? {
    do throws(Problem) {
        _ = try ListParameters(Array(query.utf8), of: endpoint)
        return nil
    } catch {
        return error
    }
}

@Suite struct ParameterTests {
    @Test(arguments: [
        "", "&&", "ruta=", "ruta", "ruta=/a%20b", "limite=1", "limite=1000", "limite=007",
        "%6Cimite=5",
        "orden=-nombre", "directorios_primero=true", "tipo=archivo,directorio,enlace,otro",
        "tipo=archivo,archivo", "ocultos=false", "total=no", "formato=html", "cursor=x", "ruta=a=b",
        "&limite=5&",
    ])
    func `a listing takes its parameters`(query: String) {
        #expect(problem(query, .list) == nil)
    }

    @Test(arguments: ["q=a", "tipo=archivo", "q=%C3%B1+b&limite=3", "q=a&ruta=/x"])
    func `a search takes its parameters`(query: String) {
        #expect(problem(query, .search) == nil)
    }

    @Test(arguments: [
        ("limite=0", ProblemCode.invalidValue, "limite"), ("limite=1001", .invalidValue, "limite"),
        ("limite=", .invalidValue, "limite"), ("limite", .invalidValue, "limite"),
        ("limite=+5", .invalidValue, "limite"), ("limite=%2B5", .invalidValue, "limite"),
        ("limite=-5", .invalidValue, "limite"), ("limite=5.0", .invalidValue, "limite"),
        ("limite=%D9%A5", .invalidValue, "limite"),
        ("limite=99999999999999999999", .invalidValue, "limite"),
        ("limite=1&limite=1", .repeatedParameter, "limite"),
        ("limite=1&%6cimite=2", .repeatedParameter, "limite"),
        ("nada=1", .unknownParameter, "nada"), ("nada=", .unknownParameter, "nada"),
        ("Limite=1", .unknownParameter, "Limite"), ("=x", .unknownParameter, ""),
        ("q=a", .unknownParameter, "q"), ("q=", .unknownParameter, "q"),
        ("n%FFada=1", .unknownParameter, "n\u{FFFD}ada"),
        ("ruta=%2", .invalidValue, "ruta"), ("ruta=%", .invalidValue, "ruta"),
        ("ruta=%zz", .invalidValue, "ruta"), ("%zz=1", .invalidValue, "%zz"),
        ("ruta=a%00b", .invalidValue, "ruta"),
        ("ruta=\(String(repeating: "a", count: 4_096))", .invalidValue, "ruta"),
        ("ocultos=TRUE", .invalidValue, "ocultos"), ("ocultos=1", .invalidValue, "ocultos"),
        ("orden=tamano", .invalidValue, "orden"), ("orden=--natural", .invalidValue, "orden"),
        ("directorios_primero=si", .invalidValue, "directorios_primero"),
        ("tipo=archivo,,otro", .invalidValue, "tipo"), ("tipo=,", .invalidValue, "tipo"),
        ("tipo=Archivo", .invalidValue, "tipo"), ("total=si", .invalidValue, "total"),
        ("formato=xml", .invalidValue, "formato"), ("cursor=%FF", .invalidValue, "cursor"),
        ("cursor=%00", .invalidValue, "cursor"), ("cursor=", .invalidValue, "cursor"),
        // The first fault wins, from left to right.
        ("nada=1&limite=0", .unknownParameter, "nada"),
        ("limite=0&nada=1", .invalidValue, "limite"),
        ("limite=0&limite=0", .invalidValue, "limite"), ("nada=%zz", .invalidValue, "nada"),
    ])
    func `a listing names the parameter at fault`(
        query: String, code: ProblemCode, parameter: String
    ) {
        let problem = problem(query, .list)
        #expect(problem?.code == code)
        #expect(problem?.parameter == parameter)
    }

    @Test(
        arguments: [
            ("", ProblemCode.invalidValue, "q", nil), ("ruta=/", .invalidValue, "q", nil),
            ("q=", .invalidValue, "q", nil), ("q=%FF", .invalidValue, "q", nil),
            ("q=a%00", .invalidValue, "q", nil), ("q=+", .invalidValue, "q", nil),
            ("q=\(String(repeating: "a", count: 1_025))", .invalidValue, "q", nil),
            ("q=%C3%B1|b", .invalidValue, "q", 2), ("q=a+%22b", .invalidValue, "q", 3),
            // The inside of q is judged behind all parameters.
            ("q=%22&nada=1", .unknownParameter, "nada", nil),
            ("q=%22&limite=0", .invalidValue, "limite", nil),
        ] as [(String, ProblemCode, String, Int?)])
    func `a search names the parameter at fault, and the place in q`(
        query: String, code: ProblemCode, parameter: String, column: Int?
    ) {
        let problem = problem(query, .search)
        #expect(problem?.code == code)
        #expect(problem?.parameter == parameter)
        #expect(problem?.column == column)
    }

    @Test(
        arguments: [
            ("", true, .unsorted), ("orden=ninguno", true, .unsorted), ("limite=5", false, nil),
            ("orden=natural", true, .sorted(after: nil)),
            ("orden=-nombre", true, .sorted(after: nil)),
            ("directorios_primero=true", true, .sorted(after: nil)),
            ("directorios_primero=false&orden=ninguno", true, .unsorted),
        ] as [(String, Bool, StreamOrder?)])
    func `a list that comes line by line is whole, and has an order where one is asked for`(
        query: String, isWhole: Bool, order: StreamOrder?
    ) throws {
        for form in [Representation.ndjson, .text] {
            let parameters = try ListParameters(Array(query.utf8), of: .list, as: form)
            #expect(parameters.isWhole == isWhole)
            if let order { #expect(parameters.streamOrder(after: nil) == order) }
            #expect(try !ListParameters(Array("tipo=otro".utf8), of: .list).isWhole)
        }
    }

    @Test(
        arguments: [
            ("orden=ninguno&limite=5", Representation.ndjson), ("cursor=x&orden=ninguno", .text),
            ("orden=ninguno&directorios_primero=true", .ndjson), ("orden=-ninguno", .text),
            ("orden=ninguno", .json), ("orden=ninguno", .html),
        ])
    func `no order goes with nothing that needs one`(query: String, form: Representation) {
        #expect {
            _ = try ListParameters(Array(query.utf8), of: .list, as: form)
        } throws: { error in
            let problem = error as? Problem
            return problem?.code == .invalidValue && problem?.parameter == "orden"
        }
    }

    @Test func `a query becomes values`() throws {
        let query =
            "ruta=/a//b/&limite=7&orden=-nombre&directorios_primero=true&tipo=enlace&ocultos=true"
        let parameters = try ListParameters(Array(query.utf8), of: .list)
        #expect(parameters.limit == 7)
        #expect(
            parameters.query
                == EntryQuery(
                    path: try RelativePath("a/b/".utf8),
                    order: ListOrder(.name, descending: true, directoriesFirst: true),
                    kinds: EntryKinds(.link), includesHidden: true))
    }

    @Test(arguments: [
        ("limite=5", "limite=9", true), ("formato=json", "", true),
        ("total=no", "total=exacto", true),
        ("cursor=a", "cursor=b", true), ("ruta=/a/", "ruta=a", true), ("orden=natural", "", true),
        ("ruta=a", "ruta=b", false), ("orden=-natural", "", false), ("orden=nombre", "", false),
        ("directorios_primero=true", "", false), ("tipo=archivo", "", false),
        ("ocultos=true", "", false),
        ("q=a", "q=b", false), ("q=a", "q=A", false),
    ])
    func `a cursor belongs to all that makes a list another one`(
        one: String, other: String, isSame: Bool
    ) throws {
        let endpoint = one.hasPrefix("q=") ? ListParameters.Endpoint.search : .list
        let first = try ListParameters(Array(one.utf8), of: endpoint).identity
        let second = try ListParameters(Array(other.utf8), of: endpoint).identity
        #expect((first == second) == isSame)
    }

    @Test func `listing and search have different lists`() throws {
        let listing = try ListParameters(Array("tipo=archivo".utf8), of: .list)
        let search = try ListParameters(Array("tipo=archivo".utf8), of: .search)
        #expect(listing.identity != search.identity)
    }

    @Test func `the request made of a request asks for the same list`() throws {
        var random = SeededGenerator(announcedFor: "a request made of a request is the same")
        for _ in 0..<500 {
            var pairs = [
                "ruta=\(PercentCoding.encoded(random.bytes(0...20, from: 1)))",
                "q=\(PercentCoding.encoded("ñ\(random.number(in: 0...9)) +&=%#\u{301}".utf8))",
                "limite=\(random.number(in: 1...1_000))", "orden=-nombre", "ocultos=true",
                "tipo=archivo%2Cotro",
            ].filter { _ in !random.oneIn(3) }
            if !pairs.contains(where: { $0.hasPrefix("q=") }) { pairs.append("q=x") }
            let first = try ListParameters(
                Array(pairs.shuffled(using: &random).joined(separator: "&").utf8), of: .search)
            let target = Target(Array(first.target(changing: ["cursor": Array("C&=".utf8)]).utf8))
            #expect(target.path == Array("/buscar_archivos".utf8))
            let second = try ListParameters(target.query, of: .search)
            #expect(second.identity == first.identity)
            #expect(second.limit == first.limit)
            #expect(second.cursor == "C&=")
        }
    }
}

@Suite struct PercentCodingTests {
    @Test(
        arguments: [
            ("a%20b", false, Array("a b".utf8)), ("a+b", false, Array("a+b".utf8)),
            ("a+b", true, Array("a b".utf8)), ("%2B", true, [0x2B]), ("%fF%00", false, [0xFF, 0]),
            ("%2541", false, Array("%41".utf8)), ("", true, []),
            ("%", false, nil), ("%4", false, nil), ("%4g", false, nil), ("%G4", true, nil),
            ("%%41", false, nil), ("% 41", true, nil), ("%+1", true, nil),
        ] as [(String, Bool, [UInt8]?)])
    func `text is decoded once`(text: String, plusIsSpace: Bool, bytes: [UInt8]?) {
        #expect(PercentCoding.decoded(text.utf8, plusIsSpace: plusIsSpace) == bytes)
    }

    @Test func `any bytes are encoded to what decodes to them`() {
        let all = Array(UInt8.min...UInt8.max)
        let encoded = PercentCoding.encoded(all)
        #expect(PercentCoding.decoded(encoded.utf8, plusIsSpace: true) == all)
        let plain = encoded.replacing(/%[0-9A-F]{2}/, with: "")
        #expect(plain == "-./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~")
    }

    @Test(
        arguments: [
            ("/a?b=c?d", "/a", "b=c?d"), ("/a", "/a", ""), ("/a?", "/a", ""), ("/%61", "/a", ""),
            ("?x", "", "x"), ("", "", ""), ("/%zz?x", nil, "x"), ("/a+b", "/a+b", ""),
        ] as [(String, String?, String)])
    func `a target is a path and a query`(text: String, path: String?, query: String) {
        let target = Target(Array(text.utf8))
        #expect(target.path == path.map { Array($0.utf8) })
        #expect(target.query == Array(query.utf8))
    }

    @Test(
        arguments: [
            ("/", Route.home), ("/listar_archivos", .list), ("/buscar_archivos", .search),
            ("/salud", .health), ("/livez", .health), ("/salud/listo", .readiness),
            ("/readyz", .readiness), ("/openapi.json", .openAPI),
            ("/problemas/no_existe", .problem(.absent)), ("/problemas/", nil),
            ("/problemas/x", nil),
            ("/listar_archivos/", nil), ("//", nil), ("", nil), ("/Salud", nil),
            ("/problemas/no_existe/", nil),
        ] as [(String, Route?)])
    func `a path is a route or none`(path: String, route: Route?) {
        #expect(Route(path: Array(path.utf8)) == route)
    }
}
