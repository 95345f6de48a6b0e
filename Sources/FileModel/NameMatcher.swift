#if canImport(Glibc)
    private import Glibc
#endif

/// Matches names against a query, one after the other, in memory that it keeps.
///
/// Case is ignored both ways. Accents one way: a cluster typed without marks matches one with any marks, one typed
/// with marks only one with exactly those. A name that is not UTF-8 is matched as it is shown.
public struct NameMatcher {
    private let terms: [CompiledTerm]
    private var folded = FoldedText()
    private var lowered: [UInt8] = []

    private struct CompiledTerm {
        let term: NameQuery.Term
        /// The literal as ASCII bytes, where it is one: then names of ASCII are compared as bytes.
        let ascii: [UInt8]?
    }

    /// A matcher for a query.
    public init(_ query: NameQuery) {
        terms = query.terms.map { term in
            guard case .literal(let text) = term.pattern,
                text.clusters.allSatisfy({ $0.base < 0x80 && $0.base != 0 && $0.marks.isEmpty })
            else { return CompiledTerm(term: term, ascii: nil) }
            return CompiledTerm(term: term, ascii: text.clusters.map { UInt8($0.base) })
        }
    }

    /// Whether the name matches.
    public mutating func matches(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        if ShownText.isASCII(name) { return matchesASCII(name) }
        folded.load(name)
        return terms.allSatisfy { holds($0.term) }
    }

    private mutating func matchesASCII(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        lowered.removeAll(keepingCapacity: true)
        for byte in name { lowered.append((0x41...0x5A).contains(byte) ? byte | 0x20 : byte) }
        var isFolded = false
        for compiled in terms {
            let found: Bool
            if let ascii = compiled.ascii {
                found = contains(ascii)
            } else if case .literal = compiled.term.pattern {
                // A literal with marks or beyond ASCII is in no name of ASCII.
                found = false
            } else {
                if !isFolded { folded.load(name) }
                isFolded = true
                found = isFound(compiled.term.pattern)
            }
            if found == compiled.term.isExcluded { return false }
        }
        return true
    }

    /// Whether the lowered name holds the word: `memchr` for its first byte, `memcmp` for the rest.
    private func contains(_ word: [UInt8]) -> Bool {
        lowered.withUnsafeBytes { name in
            word.withUnsafeBytes { word in
                guard let wanted = word.baseAddress, var start = name.baseAddress else {
                    return false
                }
                var left = name.count - word.count + 1
                while left > 0, let found = memchr(start, CInt(word[0]), left) {
                    if memcmp(found, wanted, word.count) == 0 { return true }
                    left -= start.distance(to: found) + 1
                    start = UnsafeRawPointer(found) + 1
                }
                return false
            }
        }
    }

    private func holds(_ term: NameQuery.Term) -> Bool {
        isFound(term.pattern) != term.isExcluded
    }

    private func isFound(_ pattern: NameQuery.Pattern) -> Bool {
        switch pattern {
        case .literal(let text):
            firstOccurrence(of: text.clusters[...], text, from: 0) != nil
        case .wildcards(let tokens, let text):
            matchesWhole(tokens, text)
        }
    }

    /// What of the name to mark: Unicode scalars of the shown name, ascending, merged where they overlap or touch.
    ///
    /// Every occurrence of each word and phrase that is looked for; of a word with wildcards, of its literal parts.
    public mutating func ranges(in name: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        folded.load(name)
        var ranges: [Range<Int>] = []
        for compiled in terms where !compiled.term.isExcluded {
            switch compiled.term.pattern {
            case .literal(let text):
                appendOccurrences(of: text.clusters[...], text, to: &ranges)
            case .wildcards(let tokens, let text):
                for part in literalParts(tokens) {
                    appendOccurrences(of: part[...], text, to: &ranges)
                }
            }
        }
        ranges.sort { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }
        var merged: [Range<Int>] = []
        for range in ranges {
            if let last = merged.last, range.lowerBound <= last.upperBound {
                merged[merged.count - 1] =
                    last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return merged
    }

    private func literalParts(_ tokens: [NameQuery.Token]) -> [[FoldedText.Cluster]] {
        var parts: [[FoldedText.Cluster]] = [[]]
        for token in tokens {
            if case .cluster(let cluster) = token {
                parts[parts.count - 1].append(cluster)
            } else {
                parts.append([])
            }
        }
        // Each once: the same part marks the same places.
        return Array(Set(parts.filter { !$0.isEmpty }))
    }

    private func appendOccurrences(
        of part: ArraySlice<FoldedText.Cluster>, _ text: FoldedText, to ranges: inout [Range<Int>]
    ) {
        var from = 0
        while let found = firstOccurrence(of: part, text, from: from) {
            let first = folded.clusters[found].source.lowerBound
            let last = folded.clusters[found..<(found + part.count)].map(\.source.upperBound).max()
            ranges.append(Int(first)..<Int(last ?? first + 1))
            from = found + 1
        }
    }

    private func firstOccurrence(
        of part: ArraySlice<FoldedText.Cluster>, _ text: FoldedText, from: Int
    ) -> Int? {
        guard folded.clusters.count >= part.count else { return nil }
        var start = from
        while start + part.count <= folded.clusters.count {
            var matched = true
            for (offset, wanted) in part.enumerated()
            where !isEqual(folded.clusters[start + offset], wanted, text) {
                matched = false
                break
            }
            if matched { return start }
            start += 1
        }
        return nil
    }

    private func isEqual(
        _ there: FoldedText.Cluster, _ wanted: FoldedText.Cluster, _ text: FoldedText
    ) -> Bool {
        there.base == wanted.base
            && (wanted.marks.isEmpty
                || folded.marks(of: there).elementsEqual(text.marks(of: wanted)))
    }

    /// Whether the pattern matches the whole name: greedy, going back only to the last `*`, so at most quadratic.
    private func matchesWhole(_ tokens: [NameQuery.Token], _ text: FoldedText) -> Bool {
        let clusters = folded.clusters
        var (token, cluster) = (0, 0)
        var star: (token: Int, cluster: Int)?
        while cluster < clusters.count {
            if token < tokens.count {
                switch tokens[token] {
                case .any:
                    star = (token, cluster)
                    token += 1
                    continue
                case .one:
                    (token, cluster) = (token + 1, cluster + 1)
                    continue
                case .cluster(let wanted) where isEqual(clusters[cluster], wanted, text):
                    (token, cluster) = (token + 1, cluster + 1)
                    continue
                case .cluster: break
                }
            }
            guard let last = star else { return false }
            star = (last.token, last.cluster + 1)
            (token, cluster) = (last.token + 1, last.cluster + 1)
        }
        return tokens[token...].allSatisfy { $0 == .any }
    }
}
