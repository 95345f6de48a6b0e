import FileModel
import TestSupport
import Testing

/// A query's term as its meaning, and the matching of it as its definition words it.
private struct NaiveTerm {
    enum Part {
        case text(String)
        case one
        case any
    }

    var parts: [Part]
    var isPhrase = false
    var isExcluded = false

    /// As typed into a query.
    var typed: String {
        let text = parts.map { part in
            switch part {
            case .text(let text): text
            case .one: "?"
            case .any: "*"
            }
        }.joined()
        return (isExcluded ? "-" : "") + (isPhrase ? "\"\(text)\"" : text)
    }

    private enum Token {
        case cluster(NaiveFolding.Cluster)
        case one
        case any
    }

    private var tokens: [Token] {
        parts.flatMap { part -> [Token] in
            switch part {
            case .text(let text):
                NaiveFolding(text.unicodeScalars).clusters.map { .cluster($0) }
            case .one: [.one]
            case .any: [.any]
            }
        }
    }

    private static func fits(_ wanted: NaiveFolding.Cluster, _ there: NaiveFolding.Cluster) -> Bool
    {
        wanted.base == there.base && (wanted.marks.isEmpty || wanted.marks == there.marks)
    }

    private static func matches(
        _ tokens: ArraySlice<Token>, _ name: ArraySlice<NaiveFolding.Cluster>
    ) -> Bool {
        guard let token = tokens.first else { return name.isEmpty }
        switch token {
        case .any:
            return matches(tokens.dropFirst(), name)
                || (!name.isEmpty && matches(tokens, name.dropFirst()))
        case .one: return !name.isEmpty && matches(tokens.dropFirst(), name.dropFirst())
        case .cluster(let wanted):
            guard let there = name.first, fits(wanted, there) else { return false }
            return matches(tokens.dropFirst(), name.dropFirst())
        }
    }

    private static func places(
        _ text: String, _ name: [NaiveFolding.Cluster]
    ) -> [ArraySlice<NaiveFolding.Cluster>] {
        let wanted = NaiveFolding(text.unicodeScalars).clusters
        guard name.count >= wanted.count else { return [] }
        return (0...(name.count - wanted.count)).map { name[$0..<($0 + wanted.count)] }
            .filter { there in zip(wanted, there).allSatisfy(fits) }
    }

    func holds(_ name: [NaiveFolding.Cluster]) -> Bool {
        let isFound: Bool
        if case .text(let text) = parts[0], parts.count == 1 {
            isFound = !Self.places(text, name).isEmpty
        } else {
            isFound = Self.matches(tokens[...], name[...])
        }
        return isFound != isExcluded
    }

    /// The scalars of the name to mark.
    func marked(_ name: [NaiveFolding.Cluster]) -> Set<Int> {
        if isExcluded { return [] }
        var marked: Set<Int> = []
        for case .text(let text) in parts {
            for place in Self.places(text, name) {
                for cluster in place { marked.formUnion(cluster.source) }
            }
        }
        return marked
    }
}

@Suite struct NameMatcherTests {
    private static func matches(_ text: String, _ name: [UInt8]) throws -> Bool {
        var matcher = NameMatcher(try NameQuery(text))
        return name.withUnsafeBufferPointer { matcher.matches($0) }
    }

    private static func ranges(_ text: String, _ name: [UInt8]) throws -> [Range<Int>] {
        var matcher = NameMatcher(try NameQuery(text))
        return name.withUnsafeBufferPointer { matcher.ranges(in: $0) }
    }

    @Test(arguments: [
        ("camion", "Camión.pdf", true), ("camión", "Camio\u{301}n.pdf", true),
        ("camión", "camion.pdf", false), ("nino", "niño", true), ("niño", "nino", false),
        ("STRASSE", "straße", true), ("straße", "STRASSE", true), ("s", "ß", true),
        ("i", "İ", true), ("İ", "i", false), ("ı", "i", false), ("informe -2025", "informe", true),
        ("informe -2025", "informe 2025", false), ("*.pdf", "a.PDF", true),
        ("*.pdf", "a.pdf.txt", false), ("???", "a\u{301}bc", true), ("???", "ab", false),
        ("\"*\"", "a*b", true), ("\"*\"", "ab", false), ("*", "", true),
    ])
    func `a name matches or not`(text: String, name: String, expected: Bool) throws {
        #expect(try Self.matches(text, Array(name.utf8)) == expected)
    }

    @Test(arguments: [
        ("a", "banana", [1..<2, 3..<4, 5..<6]), ("ana", "banana", [1..<6]),
        ("an na", "banana", [1..<6]), ("camion", "el camio\u{301}n", [3..<10]),
        ("ss", "straße", [4..<5]), ("*an*b?", "banabc", [0..<3, 4..<5]),
        ("b -x", "abc", [1..<2]), ("-x", "abc", []), ("*", "abc", []),
    ])
    func `what was found is marked`(text: String, name: String, ranges: [Range<Int>]) throws {
        #expect(try Self.ranges(text, Array(name.utf8)) == ranges)
    }

    @Test func `a name that is not UTF-8 is matched as it is shown`() throws {
        let name: [UInt8] = [0x61, 0xE2, 0x82, 0x62, 0xFF, 0x63]
        #expect(try Self.matches("\u{FFFD}b", name))
        #expect(try Self.matches("a?b?c", name))
        #expect(try Self.ranges("b\u{FFFD}c", name) == [2..<5])
    }

    /// A term of one part or, with wildcards, several; marks never follow a wildcard, where they would be its own.
    private static func term(_ random: inout SeededGenerator) -> NaiveTerm {
        func text(_ random: inout SeededGenerator) -> String {
            var text = NastyNames.text(&random)
            let bad = "-_?*".unicodeScalars
            // A phrase may start with a space, a word not even hold one.
            text.removeAll { $0 == " " }
            while let first = text.first, NaiveFolding.isMark(first) || bad.contains(first) {
                text.removeFirst()
            }
            return text.isEmpty ? "n" : String(text.prefix(3))
        }
        var term = NaiveTerm(parts: [.text(text(&random))], isExcluded: random.oneIn(5))
        if random.oneIn(4) {
            term.isPhrase = true
            term.parts = [.text(random.pick([" ", "", ""]) + text(&random))]
        } else if random.oneIn(2) {
            term.parts = []
            for _ in 0..<random.number(in: 1...4) {
                let part = random.pick([NaiveTerm.Part.any, .one, .any, .text(text(&random))])
                // Texts side by side are one text.
                if case .text = part, case .text = term.parts.last { continue }
                term.parts.append(part)
            }
            if term.parts.count == 1, case .text = term.parts[0] { term.parts.append(.any) }
        }
        return term
    }

    /// A name that has a fair chance to match.
    private static func name(
        for terms: [NaiveTerm], _ random: inout SeededGenerator
    ) -> [UInt8] {
        var name: [UInt8] = []
        for term in terms {
            if random.oneIn(3) { name += NastyNames.name(&random).prefix(3) }
            for part in term.parts {
                if case .text(let text) = part {
                    name += Array(NastyNames.varied(text, &random).utf8)
                } else {
                    name += Array(String(random.pick(NastyNames.scalars)).utf8)
                }
            }
            if random.oneIn(3) { name += NastyNames.name(&random).prefix(3) }
        }
        return Array(name.prefix(40))
    }

    @Test func `matches and marks are those of the definition`() throws {
        var random = SeededGenerator(announcedFor: "matches are those of the definition")
        var matched = 0
        let rounds = 20_000
        for _ in 0..<rounds {
            let terms = (0..<random.number(in: 1...2)).map { _ in Self.term(&random) }
            let typed = terms.map(\.typed).joined(separator: " ")
            let name = Self.name(for: terms, &random)
            let clusters = NaiveFolding(
                String(decoding: name, as: UTF8.self).unicodeScalars
            ).clusters
            let expected = terms.allSatisfy { $0.holds(clusters) }
            matched += expected ? 1 : 0
            let shown = ShownText.string(name).debugDescription
            let found = try Self.matches(typed, name)
            guard found == expected else {
                Issue.record("\(typed.debugDescription) in \(shown) \(name): \(found)")
                return
            }
            let marked = terms.reduce(into: Set<Int>()) { $0.formUnion($1.marked(clusters)) }
            let ranges = try Self.ranges(typed, name)
            guard Set(ranges.joined()) == marked,
                zip(ranges, ranges.dropFirst()).allSatisfy({ $0.upperBound < $1.lowerBound })
            else {
                Issue.record("\(typed.debugDescription) in \(shown) \(name): \(ranges), \(marked)")
                return
            }
        }
        #expect((rounds / 10...rounds * 9 / 10).contains(matched))
    }
}
