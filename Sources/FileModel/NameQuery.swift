/// What a search looks for: words, `-words`, `"phrases"`, `*` and `?`. All of it must hold for a name.
public struct NameQuery: Sendable, Hashable {
    /// Why a query can't be read, and where.
    public struct Flaw: Error, Sendable, Hashable {
        /// What is wrong.
        public enum Reason: Sendable, Hashable, CaseIterable {
            case nothingToSearch
            case tooManyTerms
            case openQuote
            case emptyPhrase
            case quoteInsideWord
            case textAfterPhrase
            case loneDash
            /// `a|b` is not known yet.
            case alternative
            /// `key:` is not known, or is empty.
            case key
        }
        /// What is wrong.
        public let reason: Reason
        /// Where: Unicode scalars from 1; nil where it is about the query as a whole.
        public let column: Int?
    }

    /// One part of a pattern with wildcards.
    enum Token: Sendable, Hashable {
        case cluster(FoldedText.Cluster)
        /// `?`: one cluster.
        case one
        /// `*`: any number of clusters.
        case any
    }

    /// What is looked for.
    enum Pattern: Sendable, Hashable {
        /// Anywhere in the name.
        case literal(FoldedText)
        /// The whole name. The clusters' marks are those of `text`.
        case wildcards([Token], text: FoldedText)
    }

    /// One condition.
    struct Term: Sendable, Hashable {
        let pattern: Pattern
        let isExcluded: Bool
    }

    /// The most words and phrases of a query: each costs for each name.
    public static let termCountMax = 32

    /// The longest query, in bytes of UTF-8.
    public static let byteCountMax = 1_024

    let terms: [Term]

    /// Reads a query.
    public init(_ text: String) throws(Flaw) {
        var parser = NameQueryParser(text)
        terms = try parser.terms()
        if terms.isEmpty { throw Flaw(reason: .nothingToSearch, column: nil) }
    }
}

/// Reads a query's terms from left to right.
private struct NameQueryParser {
    private let scalars: [Unicode.Scalar]
    private var index = 0

    init(_ text: String) {
        scalars = Array(text.unicodeScalars)
    }

    mutating func terms() throws(NameQuery.Flaw) -> [NameQuery.Term] {
        var terms: [NameQuery.Term] = []
        while true {
            while index < scalars.count, isSpace(scalars[index]) { index += 1 }
            guard index < scalars.count else { return terms }
            guard terms.count < NameQuery.termCountMax else { throw flaw(.tooManyTerms, at: index) }
            terms.append(try term())
        }
    }

    private func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar == " " || scalar == "\t" || scalar == "\n" || scalar == "\r"
    }

    private func flaw(_ reason: NameQuery.Flaw.Reason, at index: Int) -> NameQuery.Flaw {
        NameQuery.Flaw(reason: reason, column: index + 1)
    }

    private mutating func term() throws(NameQuery.Flaw) -> NameQuery.Term {
        let start = index
        let isExcluded = scalars[index] == "-"
        if isExcluded { index += 1 }
        guard index < scalars.count, !isSpace(scalars[index]) else {
            throw flaw(.loneDash, at: start)
        }
        let pattern = scalars[index] == "\"" ? try phrase() : try word()
        return NameQuery.Term(pattern: pattern, isExcluded: isExcluded)
    }

    private mutating func phrase() throws(NameQuery.Flaw) -> NameQuery.Pattern {
        let open = index
        guard let close = scalars[(open + 1)...].firstIndex(of: "\"") else {
            throw flaw(.openQuote, at: open)
        }
        guard close > open + 1 else { throw flaw(.emptyPhrase, at: open) }
        index = close + 1
        guard index == scalars.count || isSpace(scalars[index]) else {
            throw flaw(.textAfterPhrase, at: index)
        }
        return .literal(FoldedText(scalars[(open + 1)..<close]))
    }

    private mutating func word() throws(NameQuery.Flaw) -> NameQuery.Pattern {
        let start = index
        while index < scalars.count, !isSpace(scalars[index]) {
            switch scalars[index] {
            case "\"": throw flaw(.quoteInsideWord, at: index)
            case "|": throw flaw(.alternative, at: index)
            case ":" where isKey(scalars[start..<index]): throw flaw(.key, at: start)
            default: index += 1
            }
        }
        let word = scalars[start..<index]
        guard word.contains(where: { $0 == "*" || $0 == "?" }) else {
            return .literal(FoldedText(word))
        }
        let text = FoldedText(word)
        let tokens = text.clusters.map { cluster -> NameQuery.Token in
            switch cluster.base {
            case 0x2A where cluster.marks.isEmpty: .any
            case 0x3F where cluster.marks.isEmpty: .one
            default: .cluster(cluster)
            }
        }
        return .wildcards(tokens, text: text)
    }

    private func isKey(_ word: ArraySlice<Unicode.Scalar>) -> Bool {
        !word.isEmpty && word.allSatisfy { $0.properties.isAlphabetic || $0 == "_" }
    }
}
