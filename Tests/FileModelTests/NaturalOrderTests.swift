import FileModel
import Foundation
import TestSupport
import Testing

@testable import struct FileModel.FoldedText
@testable import enum FileModel.NaturalKey

/// The order of names by its definition, one level after the other: what keys are compared to.
private struct NaiveName {
    /// -1, 0, 1.
    typealias Comparison = Int

    enum Item {
        case other(UInt32)
        case digits([UInt32])
        /// A letter; ñ is half a step behind n.
        case letter(Double)
    }

    let bytes: [UInt8]
    let isUTF8: Bool
    var items: [Item] = []
    /// Per element: what is left of its marks.
    var accents: [[UInt32]] = []
    var uppers: [Bool] = []
    var zeros: [Int] = []

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        guard let text = String(validating: bytes, as: UTF8.self) else {
            isUTF8 = false
            return
        }
        isUTF8 = true
        var isInRun = false
        for cluster in NaiveFolding(text.unicodeScalars).clusters {
            var marks = cluster.marks.map(\.value)
            let isDigit = cluster.base.map { ("0"..."9").contains($0) } ?? false
            if isDigit, isInRun, case .digits(let digits) = items[items.count - 1] {
                items[items.count - 1] = .digits(digits + [cluster.base?.value ?? 0])
                accents[accents.count - 1] += marks
                continue
            }
            isInRun = isDigit
            if let base = cluster.base {
                let tilde = marks.firstIndex(of: 0x303)
                if base == "n", let tilde {
                    marks.remove(at: tilde)
                    items.append(.letter(Double(base.value) + 0.5))
                } else if isDigit {
                    items.append(.digits([base.value]))
                } else if base.properties.generalCategory.isLetter {
                    items.append(.letter(Double(base.value)))
                } else {
                    items.append(.other(base.value))
                }
            }
            accents.append(marks)
            uppers.append(cluster.isUpper)
        }
        for case .digits(let digits) in items {
            zeros.append(digits.prefix { $0 == 0x30 }.count)
        }
    }

    private static func compare<Value: Comparable>(_ one: Value, _ other: Value) -> Comparison {
        one < other ? -1 : one == other ? 0 : 1
    }

    private static func compare(_ one: Item, _ other: Item) -> Comparison {
        switch (one, other) {
        case (.other(let one), .other(let other)): compare(one, other)
        case (.other, _): -1
        case (_, .other): 1
        case (.digits(let one), .digits(let other)):
            first([
                compare(one.drop { $0 == 0x30 }.count, other.drop { $0 == 0x30 }.count),
                lexicographic(
                    Array(one.drop { $0 == 0x30 }), Array(other.drop { $0 == 0x30 }), compare),
            ])
        case (.digits, _): -1
        case (_, .digits): 1
        case (.letter(let one), .letter(let other)): compare(one, other)
        }
    }

    private static func lexicographic<Value>(
        _ one: [Value], _ other: [Value], _ compare: (Value, Value) -> Comparison
    ) -> Comparison {
        first(zip(one, other).map(compare) + [Self.compare(one.count, other.count)])
    }

    private static func first(_ comparisons: [Comparison]) -> Comparison {
        comparisons.first { $0 != 0 } ?? 0
    }

    /// Levels 1 to 4, which `-` turns round.
    func levels(_ other: NaiveName) -> Comparison {
        let uppers = (self.uppers.map { $0 ? 1 : 0 }, other.uppers.map { $0 ? 1 : 0 })
        let padding = max(accents.count, other.accents.count)
        func padded<Value>(_ list: [Value], _ filler: Value) -> [Value] {
            list + Array(repeating: filler, count: padding - list.count)
        }
        return Self.first([
            Self.lexicographic(items, other.items, Self.compare),
            Self.lexicographic(padded(accents, []), padded(other.accents, [])) {
                Self.lexicographic($0, $1, Self.compare)
            },
            Self.lexicographic(padded(uppers.0, 0), padded(uppers.1, 0), Self.compare),
            Self.lexicographic(zeros, other.zeros, Self.compare),
        ])
    }

    func isBefore(_ other: NaiveName, descending: Bool) -> Bool {
        guard isUTF8 == other.isUTF8 else { return isUTF8 }
        let levels = isUTF8 ? self.levels(other) : 0
        if levels != 0 { return descending ? levels > 0 : levels < 0 }
        return bytes.lexicographicallyPrecedes(other.bytes)
    }
}

extension Unicode.GeneralCategory {
    fileprivate var isLetter: Bool {
        switch self {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            true
        default: false
        }
    }
}

@Suite struct NaturalOrderTests {
    private static func key(_ name: String, _ order: ListOrder) -> [UInt8] {
        ListPosition(name: Array(name.utf8), isDirectory: false).key(in: order)
    }

    private static func sorted(_ names: [String], _ order: ListOrder) -> [String] {
        names.sorted { key($0, order).lexicographicallyPrecedes(key($1, order)) }
    }

    @Test(arguments: [
        ["a2", "a10", "a010", "a0010", "b"],
        ["_", "~", "€", "1", "a", "z", "ж", "漢"],
        ["n", "nz", "ñ", "ña", "o"],
        ["mano", "mañana", "mañoso"],
        ["cana", "Cana", "caná", "Caná", "canal", "caña"],
        ["resume", "Resume", "resumé", "résume", "résumé"],
        ["strasse", "straße", "Strasse"],
        ["0", "00", "1", "01", "001", "1x", "2"],
        ["9", "10", "99999999999999999999", "100000000000000000000"],
        ["a", "A", "á", "Á", "ä"],
        ["file1.txt", "file1a.txt", "file2.txt"],
    ])
    func `names stand as a Spanish reader expects`(names: [String]) {
        #expect(Self.sorted(names.reversed(), ListOrder(.natural)) == names)
    }

    @Test(arguments: [false, true])
    func `keys order names as the definition does`(descending: Bool) {
        var random = SeededGenerator(announcedFor: "keys order names, descending \(descending)")
        let order = ListOrder(.natural, descending: descending)
        for _ in 0..<60 {
            let names = Set((0..<70).map { _ in NastyNames.name(&random) }).map { NaiveName($0) }
            let keyed = names.map { name in
                (name: name, key: ListPosition(name: name.bytes, isDirectory: false).key(in: order))
            }
            for one in keyed {
                for other in keyed where one.name.bytes != other.name.bytes {
                    let byKey = one.key.lexicographicallyPrecedes(other.key)
                    let byDefinition = one.name.isBefore(other.name, descending: descending)
                    guard byKey != byDefinition else { continue }
                    Issue.record(
                        """
                        \(one.name.bytes) \(ShownText.string(one.name.bytes).debugDescription), \
                        \(other.name.bytes) \(ShownText.string(other.name.bytes).debugDescription): \
                        by key \(byKey), by definition \(byDefinition)
                        """)
                    return
                }
            }
        }
    }

    @Test func `no key of the natural levels is the beginning of another`() {
        var random = SeededGenerator(announcedFor: "no key is the beginning of another")
        var keys: Set<[UInt8]> = []
        var scratch = FoldedText()
        for _ in 0..<20_000 {
            let name = NastyNames.name(&random)
            var key: [UInt8] = []
            let isUTF8 = name.withUnsafeBufferPointer {
                NaturalKey.append($0, to: &key, scratch: &scratch)
            }
            if isUTF8 { keys.insert(key) }
        }
        let sorted = keys.sorted { $0.lexicographicallyPrecedes($1) }
        #expect(sorted.count > 5_000)
        // In byte order a key would stand right before one that it begins.
        for (one, next) in zip(sorted, sorted.dropFirst()) where next.starts(with: one) {
            Issue.record("\(one) begins \(next)")
        }
    }

    @Test func `a key is the same, made from the bytes or by way of the folded text`() {
        var random = SeededGenerator(announcedFor: "a key is the same, from bytes or folded")
        // All that the quick way knows, and its neighbours.
        let letters = (0x80...0x24F).compactMap { Unicode.Scalar($0) }
        var scratch = FoldedText()
        for round in 0..<20_000 {
            var name = NastyNames.name(&random)
            if round % 2 == 0 {
                name = (0..<random.number(in: 1...8)).flatMap { _ in
                    let scalar =
                        random.oneIn(2)
                        ? random.pick(letters) : random.pick(["a", "N", "0", "7", "-"])
                    return Array(String(scalar).utf8)
                }
            }
            name.withUnsafeBufferPointer { bytes in
                var key: [UInt8] = []
                guard NaturalKey.append(bytes, to: &key, scratch: &scratch) else { return }
                var folded: [UInt8] = []
                _ = scratch.load(bytes)
                NaturalKey.appendFolded(scratch, to: &folded)
                #expect(key == folded, "\(name)")
            }
        }
    }

    @Test func `names alike but for normalisation differ only in their bytes`() throws {
        var random = SeededGenerator(announcedFor: "names alike but for normalisation")
        var scratch = FoldedText()
        func key(_ text: String) -> [UInt8] {
            var key: [UInt8] = []
            ShownText.withBuffer(text.utf8) { name in
                _ = NaturalKey.append(name, to: &key, scratch: &scratch)
            }
            return key
        }
        for _ in 0..<5_000 {
            // Not the iota subscript, a mark that folds to a letter: The Unicode Standard, 3.13, D145, has folding go
            // behind decomposition for its sake alone.
            let scalars = NastyNames.text(&random).filter { !["ᾳ", "ᾼ", "\u{345}"].contains($0) }
            let text = String(String.UnicodeScalarView(scalars))
            let levels = key(text)
            try #require(levels == key(text.decomposedStringWithCanonicalMapping), "\(text)")
            try #require(levels == key(text.precomposedStringWithCanonicalMapping), "\(text)")
        }
    }

    @Test func `directories stand first, also in a descending list`() {
        func names(_ order: ListOrder) -> [String] {
            [("b", true), ("a", false), ("d", true), ("c", false)].map { name, isDirectory in
                (
                    name,
                    ListPosition(name: Array(name.utf8), isDirectory: isDirectory).key(in: order)
                )
            }.sorted { $0.1.lexicographicallyPrecedes($1.1) }.map(\.0)
        }
        for criterion in [ListOrder.Criterion.natural, .name] {
            #expect(names(ListOrder(criterion, directoriesFirst: true)) == ["b", "d", "a", "c"])
            #expect(
                names(ListOrder(criterion, descending: true, directoriesFirst: true))
                    == ["d", "b", "c", "a"])
            #expect(names(ListOrder(criterion, descending: true)) == ["d", "c", "b", "a"])
        }
    }

    @Test(arguments: [false, true])
    func `equal names are ordered by their paths, upwards in either direction`(descending: Bool) {
        let order = ListOrder(.natural, descending: descending)
        let folders = ["", "a", "a!", "a/b", "b", "Ñ"]
        let keyed = folders.map { folder in
            (
                folder,
                ListPosition(name: [0x78], folder: Array(folder.utf8), isDirectory: false)
                    .key(in: order)
            )
        }
        let paths = keyed.sorted { $0.1.lexicographicallyPrecedes($1.1) }
            .map { $0.0.isEmpty ? "x" : "\($0.0)/x" }
        #expect(paths == paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
    }

    @Test(arguments: [false, true])
    func `the order by name is that of the bytes`(descending: Bool) {
        var random = SeededGenerator(announcedFor: "order by name, descending \(descending)")
        let order = ListOrder(.name, descending: descending)
        let names = Set((0..<2_000).map { _ in random.bytes(1...3, from: 1) })
        let byKey = names.map { ($0, ListPosition(name: $0, isDirectory: false).key(in: order)) }
            .sorted { $0.1.lexicographicallyPrecedes($1.1) }.map(\.0)
        let byBytes = names.sorted { $0.lexicographicallyPrecedes($1) }
        #expect(byKey == (descending ? byBytes.reversed() : byBytes))
    }
}
