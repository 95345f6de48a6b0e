import FileModel
import Testing

@testable import gateway

@Suite struct ListLinesTests {
    private static func batch(_ names: [[UInt8]], folder: [UInt8]? = nil) -> EntryBatch {
        var batch = EntryBatch()
        for name in names {
            name.withUnsafeBufferPointer { name in
                (folder ?? []).withUnsafeBufferPointer { place in
                    batch.append(
                        name: name, folder: folder == nil ? nil : place, kind: .file, size: 1,
                        modified: nil, target: nil, matches: nil)
                }
            }
        }
        return batch
    }

    private static func lines(
        _ form: Representation, _ query: String, _ pieces: [EntryBatch], isOfOneEntry: Bool = false,
        end: (ListLines) -> [UInt8]
    ) throws -> [UInt8] {
        let parameters = try ListParameters(Array(query.utf8), of: .list, as: form)
        var lines = ListLines(parameters, as: form, language: .english)
        return pieces.flatMap { lines.piece($0, isOfOneEntry: isOfOneEntry) } + end(lines)
    }

    @Test func `a path is its bytes, but for what would end a line`() throws {
        let names: [[UInt8]] = [
            Array("a b".utf8), Array("\\n\r\n".utf8), [0xFF, 0x23], Array("# fin 3".utf8),
        ]
        let text = try Self.lines(.text, "ruta=/x%5Cy", [Self.batch(names)]) {
            $0.end(isComplete: true, [])
        }
        let base = Array("/x\\\\y/".utf8)
        #expect(
            text == base + Array("a b\n".utf8) + base + Array("\\\\n\\r\\n\n".utf8) + base
                + [0xFF, 0x23, 0x0A] + base + Array("# fin 3\n# fin 4\n".utf8))
    }

    @Test func `the end tells the count, what is missing, and where more is`() throws {
        let pieces = [Self.batch([[0x61]], folder: [0x62]), Self.batch([[0x63]])]
        let text = try Self.lines(.text, "", pieces) {
            $0.end(isComplete: false, [Notice(.noPermission)], cursor: "C")
        }
        #expect(text == Array("/b/a\n/c\n# fin 2 incompleto cursor=C\n".utf8))
        let json = try Self.lines(.ndjson, "", pieces) {
            $0.end(isComplete: false, [Notice(.noPermission, path: [0x78])], cursor: "C")
        }
        let rows = String(decoding: json, as: UTF8.self).split(separator: "\n")
        #expect(rows.count == 3 && rows[0].contains("\"ruta\":\"/b/a\""))
        #expect(
            rows[2] == """
                {"fin":true,"total":2,"completo":false,"avisos":[{"codigo":"sin_permiso",\
                "detalle":"The server may not read it.","ruta":"/x"}],"cursor":"C"}
                """)
        let whole = try Self.lines(.ndjson, "", []) { $0.end(isComplete: true, []) }
        #expect(whole == Array("{\"fin\":true,\"total\":0,\"completo\":true}\n".utf8))
    }

    @Test(arguments: [Representation.ndjson, .text])
    func `a path that is no folder is its own line`(form: Representation) throws {
        let lines = try Self.lines(form, "ruta=/d/f", [Self.batch([[0x66]])], isOfOneEntry: true) {
            $0.end(isComplete: true, [])
        }
        let text = String(decoding: lines, as: UTF8.self)
        #expect(text.hasPrefix(form == .text ? "/d/f\n" : "{\"nombre\":\"f\",\"ruta\":\"/d/f\""))
    }
}
