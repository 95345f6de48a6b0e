import FileModel
import Testing

@testable import FileModel

@Suite struct NameQueryTests {
    /// A query's terms in a notation of their own: what is folded, what is literal.
    private static func described(_ query: NameQuery) -> [String] {
        func text(_ clusters: [FoldedText.Cluster], _ text: FoldedText) -> String {
            clusters.map { cluster in
                let marks = text.marks[
                    Int(cluster.marks.lowerBound)..<Int(cluster.marks.upperBound)]
                return ([cluster.base] + marks).compactMap { Unicode.Scalar($0).map { String($0) } }
                    .joined()
            }.joined()
        }
        return query.terms.map { term in
            let sign = term.isExcluded ? "-" : "+"
            switch term.pattern {
            case .literal(let literal): return "\(sign)(\(text(literal.clusters, literal)))"
            case .wildcards(let tokens, let marks):
                let parts = tokens.map { token in
                    switch token {
                    case .any: "<any>"
                    case .one: "<one>"
                    case .cluster(let cluster): text([cluster], marks)
                    }
                }
                return "\(sign)[\(parts.joined())]"
            }
        }
    }

    @Test(arguments: [
        ("hola", ["+(hola)"]),
        ("  Hola\tMUNDO ", ["+(hola)", "+(mundo)"]),
        ("-a", ["-(a)"]),
        ("a-b --c", ["+(a-b)", "-(-c)"]),
        ("\"a b\"", ["+(a b)"]),
        ("-\"A *?|:b\"", ["-(a *?|:b)"]),
        ("\" \"", ["+( )"]),
        ("*.Pdf", ["+[<any>.pdf]"]),
        ("-a?b*", ["-[a<one>b<any>]"]),
        ("a.b:c 1:2 :x", ["+(a.b:c)", "+(1:2)", "+(:x)"]),
        ("Straße", ["+(strasse)"]),
        ("camio\u{301}n", ["+(camio\u{301}n)"]),
        ("é*", ["+[e\u{301}<any>]"]),
        ("a\u{A0}b", ["+(a\u{A0}b)"]),
    ])
    func `a query is read`(text: String, terms: [String]) throws {
        let read = Self.described(try NameQuery(text))
        #expect(read.map { Array($0.unicodeScalars) } == terms.map { Array($0.unicodeScalars) })
    }

    @Test(
        arguments: [
            ("", NameQuery.Flaw.Reason.nothingToSearch, nil),
            (" \t\n", .nothingToSearch, nil),
            ("a \"b", .openQuote, 3),
            ("\"", .openQuote, 1),
            ("é \"\"", .emptyPhrase, 3),
            ("-\"\"", .emptyPhrase, 2),
            ("a\"b\"", .quoteInsideWord, 2),
            ("\"a\"b", .textAfterPhrase, 4),
            ("\"a\"\"b\"", .textAfterPhrase, 4),
            ("-", .loneDash, 1),
            ("a - b", .loneDash, 3),
            ("a|b", .alternative, 2),
            ("|", .alternative, 1),
            ("e\u{301}x|b", .alternative, 4),
            ("a ext:pdf", .key, 3),
            ("-ruta:x", .key, 2),
            ("ext:", .key, 1),
            ("tamaño_min:1", .key, 1),
        ] as [(String, NameQuery.Flaw.Reason, Int?)])
    func `a query that can't be read says why and where`(
        text: String, reason: NameQuery.Flaw.Reason, column: Int?
    ) {
        let flaw = #expect(throws: NameQuery.Flaw.self) { try NameQuery(text) }
        #expect(flaw?.reason == reason)
        #expect(flaw?.column == column)
    }
}
