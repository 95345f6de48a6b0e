import Foundation

/// Folding as the Unicode Standard defines it, written plainly and with another library's tables than the product's:
/// what the product is compared to. Good for the characters of ``NastyNames``.
struct NaiveFolding {
    /// A scalar that is no mark, with its marks in canonical order.
    struct Cluster {
        /// nil: marks at the start of a text.
        var base: Unicode.Scalar?
        var marks: [Unicode.Scalar] = []
        var isUpper: Bool
        /// The source scalars that it came from.
        var source: Set<Int>
    }

    /// Full folding where it is not the lower-case mapping (CaseFolding.txt, C and F).
    private static let folds: [Unicode.Scalar: String] = [
        "ß": "ss", "ẞ": "ss", "ſ": "s", "ς": "σ", "ŉ": "\u{2BC}n", "ﬁ": "fi",
        "ΐ": "ι\u{308}\u{301}",
        "ᾳ": "αι", "ᾼ": "αι", "\u{345}": "ι", "µ": "μ",
    ]

    private(set) var clusters: [Cluster] = []

    init(_ text: some Sequence<Unicode.Scalar>) {
        for (position, source) in text.enumerated() {
            let folded = Self.folds[source] ?? source.properties.lowercaseMapping
            let isUpper =
                source.properties.generalCategory == .uppercaseLetter
                || source.properties.generalCategory == .titlecaseLetter
            for scalar in folded.decomposedStringWithCanonicalMapping.unicodeScalars {
                append(scalar, isUpper, position)
            }
        }
        for index in clusters.indices {
            clusters[index].marks = Self.ordered(clusters[index].marks)
        }
    }

    private mutating func append(_ scalar: Unicode.Scalar, _ isUpper: Bool, _ position: Int) {
        guard Self.isMark(scalar) else {
            clusters.append(Cluster(base: scalar, isUpper: isUpper, source: [position]))
            return
        }
        if clusters.isEmpty { clusters.append(Cluster(isUpper: false, source: [position])) }
        clusters[clusters.count - 1].marks.append(scalar)
        clusters[clusters.count - 1].source.insert(position)
    }

    static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: true
        default: false
        }
    }

    /// The canonical ordering algorithm as the standard words it: swap neighbours until nothing moves.
    private static func ordered(_ marks: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var marks = marks
        var moved = true
        while moved {
            moved = false
            for index in marks.indices.dropLast() {
                let first = marks[index].properties.canonicalCombiningClass
                let second = marks[index + 1].properties.canonicalCombiningClass
                if second.rawValue != 0, first > second {
                    marks.swapAt(index, index + 1)
                    moved = true
                }
            }
        }
        return marks
    }
}
