import FastCGI
import FileModel
import Foundation
import RPC
import TestSupport
import Testing

@testable import gateway

@Suite struct JSONTextTests {
    @Test func `any bytes are read back by Foundation as they are shown`() throws {
        var random = SeededGenerator(announcedFor: "any bytes are read back")
        let edges: [UInt8] = [
            0, 0x1F, 0x22, 0x5C, 0x2F, 0x7F, 0x0A, 0xC3, 0xA9, 0xE2, 0x80, 0xA8, 0xFF,
        ]
        for _ in 0..<5_000 {
            let bytes =
                random.oneIn(2)
                ? random.bytes(0...12)
                : (0..<random.number(in: 0...9)).map { _ in random.pick(edges) }
            var json = JSONText()
            json.raw("\"")
            let isUTF8 = bytes.withUnsafeBufferPointer { json.escaped($0) }
            json.raw("\"")
            let read = try JSONSerialization.jsonObject(
                with: Data(json.takeBytes()), options: .fragmentsAllowed)
            let text = try #require(read as? String)
            try #require(text.unicodeScalars.elementsEqual(ShownText.string(bytes).unicodeScalars))
            try #require(isUTF8 == ShownText.isUTF8(bytes))
            try #require(!json.takeBytes().contains { $0 < 0x20 || $0 == 0x7F })
        }
    }

    @Test(arguments: [0, 7, -1, 10, 1_234_567, Int.max, Int.min])
    func `numbers are written in full`(number: Int) {
        var json = JSONText()
        json.number(number)
        #expect(String(decoding: json.takeBytes(), as: UTF8.self) == "\(number)")
    }
}

@Suite struct PageJSONTests {
    private static func read(
        _ page: EntryPage, _ query: String, _ endpoint: ListParameters.Endpoint = .list,
        cursor: String? = nil
    ) throws -> [String: Any] {
        let parameters = try ListParameters(Array(query.utf8), of: endpoint)
        let bytes = PageJSON.bytes(page, parameters, cursor: cursor, language: .spanish)
        #expect(bytes.last == 0x0A)
        return try #require(
            try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    private static func entries(_ json: [String: Any]) throws -> [[String: Any]] {
        try #require(json["entradas"] as? [[String: Any]])
    }

    @Test func `an empty list has its four fields and the total`() throws {
        let json = try Self.read(EntryPage(), "")
        #expect(Set(json.keys) == ["ruta", "entradas", "total", "completo", "avisos"])
        #expect(json["ruta"] as? String == "/")
        #expect(json["completo"] as? Bool == true)
        let without = try Self.read(EntryPage(), "total=no", cursor: "C")
        #expect(Set(without.keys) == ["ruta", "entradas", "cursor", "completo", "avisos"])
    }

    @Test func `entries have the fields that apply to them`() throws {
        var page = EntryPage(total: Total(value: 9, isExact: false))
        let time = Timestamp(seconds: 1_795_170_667, nanoseconds: 125_999_999)
        let noDate = Timestamp(seconds: .max, nanoseconds: 0)
        for (name, kind, size, modified, target) in [
            ("a", EntryKind.file, 3, time, nil), ("b", .directory, nil, time, nil),
            ("c", .link, nil, time, "x/ñ"), ("d", .other, nil, noDate, nil),
            ("e", .file, nil, nil, nil),
        ] as [(String, EntryKind, Int64?, Timestamp?, String?)] {
            page.entries.append(
                name: Array(name.utf8), folder: nil, kind: kind, size: size, modified: modified,
                target: target.map { Array($0.utf8) }, matches: nil)
        }
        page.note(Notice(.noPermission, path: [0x7A, 0xFF]))
        page.note(Notice(.outOfTime))
        let json = try Self.read(page, "ruta=/p%C3%BA/")
        #expect(json["ruta"] as? String == "/pú")
        let entries = try Self.entries(json)
        let base: Set<String> = ["nombre", "ruta", "tipo"]
        #expect(
            entries.map { Set($0.keys).subtracting(base) } == [
                ["tamano", "modificado"], ["modificado"], ["modificado", "destino"], [], [],
            ])
        #expect(
            entries.map { $0["tipo"] as? String } == [
                "archivo", "directorio", "enlace", "otro", "archivo",
            ])
        #expect(
            entries.map { $0["ruta"] as? String } == ["a", "b", "c", "d", "e"].map { "/pú/\($0)" })
        #expect(entries[0]["tamano"] as? Int == 3)
        #expect(entries[0]["modificado"] as? String == "2026-11-20T10:31:07.125Z")
        #expect(entries[2]["destino"] as? String == "x/ñ")
        let total = try #require(json["total"] as? [String: Any])
        #expect(total["valor"] as? Int == 9 && total["exacto"] as? Bool == false)
        #expect(json["completo"] as? Bool == false)
        let notices = try #require(json["avisos"] as? [[String: Any]])
        #expect(notices.map { $0["codigo"] as? String } == ["sin_permiso", "tiempo_agotado"])
        #expect(notices[0]["ruta"] as? String == "/z\u{FFFD}")
        #expect(notices[0]["ruta_codificada"] as? String == "/z%FF")
        #expect(Set(notices[1].keys) == ["codigo", "detalle"])
    }

    @Test func `a search has places and marks`() throws {
        var page = EntryPage()
        page.entries.append(
            name: Array("ab".utf8), folder: Array("x/y".utf8), kind: .file, size: 0, modified: nil,
            target: nil, matches: [0..<1, 1..<2])
        page.entries.append(
            name: Array("ab".utf8), folder: [], kind: .file, size: 0, modified: nil, target: nil,
            matches: [])
        let json = try Self.read(page, "q=a&ruta=r", .search)
        let entries = try Self.entries(json)
        #expect(entries.map { $0["ruta"] as? String } == ["/r/x/y/ab", "/r/ab"])
        #expect(entries[0]["coincidencias"] as? [[Int]] == [[0, 1], [1, 2]])
        #expect(entries[1]["coincidencias"] as? [[Int]] == [])
        #expect((json["indice"] as? [String: Any])?["al_dia"] as? Bool == true)
    }

    @Test func `a file's own entry has the path asked for`() throws {
        var page = EntryPage(isOfOneEntry: true)
        page.entries.append(
            name: [0x66], folder: nil, kind: .file, size: 1, modified: nil, target: nil,
            matches: nil)
        let json = try Self.read(page, "ruta=/a/f")
        #expect(json["ruta"] as? String == "/a/f")
        #expect(try Self.entries(json)[0]["ruta"] as? String == "/a/f")
        let inRoot = try Self.read(page, "ruta=f")
        #expect(try Self.entries(inRoot)[0]["ruta"] as? String == "/f")
    }

    @Test func `a path that is not UTF-8 is shown, and given again in full`() throws {
        var random = SeededGenerator(announcedFor: "a path that is not UTF-8 is given in full")
        for _ in 0..<500 {
            func name() -> [UInt8] {
                let bytes = random.bytes(1...4, from: 0x30)
                return random.oneIn(2) ? bytes.map { $0 & 0x7F | 0x40 } : bytes
            }
            let (base, folder, name, target) = (name(), name(), name(), name())
            var page = EntryPage()
            page.entries.append(
                name: name, folder: folder, kind: .link, size: nil, modified: nil, target: target,
                matches: nil)
            let json = try Self.read(page, "q=x&ruta=\(PercentCoding.encoded(base))", .search)
            let entry = try Self.entries(json)[0]
            func check(_ object: [String: Any], _ field: String, _ bytes: [UInt8]) {
                let shown = (object[field] as? String).map { Array($0.unicodeScalars) }
                #expect(shown == Array(ShownText.string(bytes).unicodeScalars))
                let full = (object["\(field)_codificada"] as? String).flatMap {
                    PercentCoding.decoded($0.utf8, plusIsSpace: false)
                }
                #expect(full == (ShownText.isUTF8(bytes) ? nil : bytes))
            }
            let slash: [UInt8] = [0x2F]
            check(json, "ruta", slash + base)
            check(entry, "ruta", slash + base + slash + folder + slash + name)
            check(entry, "destino", target)
            let shown = (entry["nombre"] as? String).map { Array($0.unicodeScalars) }
            #expect(shown == Array(ShownText.string(name).unicodeScalars))
        }
    }
}

@Suite struct HTMLTextTests {
    @Test(arguments: [
        ("<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"),
        ("a&amp;\"b\"", "a&amp;amp;&quot;b&quot;"), ("a\nb\u{0}\u{7F}\u{9F}", "a␊b␀␡\u{FFFD}"),
        ("ñ😀e\u{301}", "ñ😀e\u{301}"),
    ])
    func `text can't become markup`(text: String, html: String) {
        var written = HTMLText()
        written.text(text)
        #expect(
            String(decoding: written.bytes, as: UTF8.self).unicodeScalars.elementsEqual(
                html.unicodeScalars))
    }

    @Test(arguments: [
        ("banana", [1, 3], "b<mark>an</mark>ana"), ("ab", [0, 2], "<mark>ab</mark>"),
        ("a<b", [0, 1, 2, 3], "<mark>a</mark>&lt;<mark>b</mark>"), ("ab", [], "ab"),
        ("e\u{301}x", [0, 2], "<mark>e\u{301}</mark>x"), ("ab", [1, 9], "a<mark>b</mark>"),
    ])
    func `what was found is marked by scalars`(text: String, bounds: [Int], html: String) {
        var written = HTMLText()
        written.text(Array(text.utf8), marking: bounds)
        #expect(String(decoding: written.bytes, as: UTF8.self) == html)
    }

    @Test func `no name, path, target or query of a page becomes markup`() throws {
        let hostile = Array("\"'><script>&\u{0A}".utf8) + [0xFF]
        var page = EntryPage()
        for kind in EntryKind.allCases {
            page.entries.append(
                name: hostile, folder: hostile, kind: kind, size: 1,
                modified: Timestamp(seconds: 0, nanoseconds: 0), target: hostile, matches: [0..<2])
        }
        page.note(Notice(.readError, path: hostile))
        let encoded = PercentCoding.encoded(hostile.dropLast())
        let query =
            "ruta=\(PercentCoding.encoded(hostile))&q=%22x%22+\(PercentCoding.encoded("'><script>&".utf8))"
        for text in [query, "tipo=archivo&ruta=\(encoded)"] {
            let parameters = try ListParameters(Array(text.utf8), of: .search)
            let html = String(
                decoding: ListPage.bytes(
                    page, parameters, cursor: "\"><script>", language: .spanish),
                as: UTF8.self)
            #expect(!html.contains("<script"))
            #expect(!html.contains("\"'>"))
            #expect(html.contains("&lt;script&gt;"))
            #expect(html.contains("%22%27%3E%3Cscript%3E%26%0A"))
        }
    }
}

@Suite struct PeopleTextTests {
    @Test(arguments: [
        (0, "0 B"), (1_023, "1023 B"), (1_024, "1,0 KB"), (48_213, "47,1 KB"), (102_348, "99,9 KB"),
        (102_349, "100 KB"), (1_047_552, "1023 KB"), (1_048_064, "1,0 MB"), (1 << 30, "1,0 GB"),
        (Int64.max, "8,0 EB"),
    ])
    func `sizes are short`(bytes: Int64, text: String) {
        #expect(PeopleText.size(bytes, .spanish) == text)
        #expect(PeopleText.size(bytes, .english) == text.replacing(",", with: "."))
    }

    @Test(arguments: [
        (0, "0"), (999, "999"), (1_000, "1.000"), (123_456, "123.456"), (1_234_567, "1.234.567"),
    ])
    func `numbers are grouped`(number: Int, text: String) {
        #expect(PeopleText.number(number, .spanish) == text)
        #expect(PeopleText.number(number, .english) == text.replacing(".", with: ","))
    }

    @Test func `times are in the language's words`() throws {
        let civil = try #require(Timestamp(seconds: 1_796_162_467, nanoseconds: 0).civil)
        #expect(PeopleText.time(civil, .spanish) == "1 dic 2026, 22:01")
        #expect(PeopleText.time(civil, .english) == "1 Dec 2026, 22:01")
    }
}

@Suite struct CommonHeadersTests {
    @Test(arguments: [
        ("W/\"a\"", true), ("\"a\"", true), ("*", true), ("\"b\", W/\"a\"", true),
        ("\"b\",\"a\" ", true),
        ("\t\"a\"\t", true), ("W/\"b\"", false), ("a", false), ("\"A\"", false), ("", false),
        ("w/\"a\"", false), ("\"aa\"", false),
    ])
    func `If-None-Match is compared weakly`(header: String, matches: Bool) {
        #expect(CommonHeaders.matches(header, "W/\"a\"") == matches)
    }

    private static func response(_ answer: Answer, ifNoneMatch tag: String? = nil) -> Response {
        let parameters = tag.map { [(name: "HTTP_IF_NONE_MATCH", value: Array($0.utf8))] } ?? []
        return CommonHeaders.response(answer, to: Request(parameters: parameters), id: "id-1")
    }

    private static func header(_ name: String, _ response: Response) -> String? {
        response.headers.first { $0.name == name }?.value
    }

    @Test func `every answer has its headers, each once`() {
        var problem = Answer(json: [0x7B])
        problem.status = 404
        for answer in [
            Answer(json: [0x7B], language: .english), Answer(html: [], language: .spanish), problem,
        ] {
            let response = Self.response(answer)
            let names = response.headers.map { $0.name.lowercased() }
            #expect(Set(names).count == names.count)
            #expect(Self.header("X-Request-Id", response) == "id-1")
            #expect(Self.header("Cache-Control", response) == "private, no-cache")
            #expect(Self.header("X-Content-Type-Options", response) == "nosniff")
            #expect(Self.header("Content-Length", response) == "\(answer.body.count)")
            #expect(Self.header("Vary", response) == "Accept, Accept-Encoding, Accept-Language")
            #expect(
                Self.header("Content-Security-Policy", response)?.contains("default-src 'none'")
                    == true)
        }
    }

    @Test
    func
        `a tag differs by body, form and language, and by it a client is told that nothing changed`()
        throws
    {
        let answers = [
            Answer(json: [1], language: .spanish), Answer(json: [2], language: .spanish),
            Answer(json: [1], language: .english), Answer(html: [1], language: .spanish),
        ]
        let tags = try answers.map { try #require(Self.header("ETag", Self.response($0))) }
        #expect(Set(tags).count == tags.count)
        for (answer, tag) in zip(answers, tags) {
            #expect(tag.wholeMatch(of: /W\/"[A-Za-z0-9_-]+"/) != nil)
            let again = Self.response(answer, ifNoneMatch: tag)
            #expect(again.status == 304 && again.body.isEmpty)
            #expect(Self.header("ETag", again) == tag)
            #expect(Self.header("Content-Type", again) == nil)
            #expect(Self.header("Content-Length", again) == nil)
        }
        #expect(Self.response(answers[0], ifNoneMatch: tags[1]).status == 200)
    }

    @Test func `a problem has no tag`() {
        var answer = Answer(json: [1])
        answer.status = 404
        let response = Self.response(answer, ifNoneMatch: "*")
        #expect(response.status == 404 && Self.header("ETag", response) == nil)
    }
}

@Suite struct ProblemTests {
    @Test(
        arguments: [
            (.notFound, "absent", .absent, "ruta", nil),
            (.failedPrecondition, "", .notFolder, "ruta", nil),
            (.permissionDenied, "may not be read", .noPermission, "ruta", nil),
            (.permissionDenied, "hidden", .noPermission, "ocultos", nil),
            (.unavailable, "", .serviceAbsent, nil, 1), (.resourceExhausted, "", .overload, nil, 1),
            (.deadlineExceeded, "", .outOfTime, nil, nil), (.cancelled, "", .outOfTime, nil, nil),
            (.internalError, "", .internalError, nil, nil),
            (.invalidArgument, "", .internalError, nil, nil),
            (.unimplemented, "", .internalError, nil, nil),
            (.unknown, "", .internalError, nil, nil),
        ] as [(RPCStatusCode, String, ProblemCode, String?, Int?)])
    func `a daemon's error is a problem of the client's`(
        status: RPCStatusCode, message: String, code: ProblemCode, parameter: String?,
        retryAfter: Int?
    ) {
        let problem = Problem(RPCError(status, message), of: "mserv9")
        #expect(problem.code == code)
        #expect(problem.parameter == parameter)
        #expect(problem.retryAfter == retryAfter)
    }

    @Test(arguments: ProblemCode.allCases)
    func `a problem is told as RFC 9457 says, and nothing of its cause`(code: ProblemCode) throws {
        var problem = Problem(code, parameter: "x\"y")
        problem.column = 3
        problem.retryAfter = 2
        problem.cause = "secret"
        let identity = RequestIdentity(Request(parameters: []))
        let answer = ProblemAnswer.answer(
            problem, identity: identity, as: .json, in: .english, query: "")
        #expect(answer.status == code.status && answer.contentType == "application/problem+json")
        let json = try #require(
            try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any])
        #expect(
            Set(json.keys) == [
                "type", "title", "status", "detail", "instance", "codigo", "parametro", "columna",
            ])
        #expect(json["type"] as? String == "/problemas/\(code.rawValue)")
        #expect(json["status"] as? Int == code.status)
        #expect(json["instance"] as? String == "urn:uuid:\(identity.uuid)")
        #expect(json["parametro"] as? String == "x\"y")
        #expect(answer.headers.contains { $0.name == "Retry-After" && $0.value == "2" })
        let page = ProblemAnswer.answer(
            problem, identity: identity, as: .html, in: .english, query: "")
        #expect(page.status == code.status)
        for body in [answer.body, page.body] {
            #expect(!String(decoding: body, as: UTF8.self).contains("secret"))
        }
    }
}
