private import CUTF8Proc

/// A text without case, its letters apart from their accents: what is compared when names are ordered and matched.
///
/// Made by full case folding and canonical decomposition (Unicode Standard, 3.13 and UAX #15), so NFC and NFD are
/// alike and `ß` is `ss`. A cluster is one folded scalar that is no mark and the marks (general category M) behind it.
public struct FoldedText: Sendable, Hashable {
    /// A folded scalar with its marks.
    public struct Cluster: Sendable, Hashable {
        /// The folded scalar; 0 for marks at the start of a text, which have none.
        public var base: UInt32
        /// What the base is.
        public var kind: Kind
        /// Whether it came from an upper- or titlecase letter (category Lu, Lt).
        public var isUpper: Bool
        /// Its marks, as a range of ``FoldedText/marks``, in canonical order.
        public var marks: Range<Int32>
        /// The source scalars that it came from, counted from the start of the text.
        public var source: Range<Int32>
    }

    /// What a folded scalar is when it is ordered.
    public enum Kind: Sendable, Hashable {
        case other
        /// ASCII's 0…9.
        case digit
        /// General category L.
        case letter
    }

    /// The clusters in order.
    public private(set) var clusters: [Cluster] = []
    /// The marks of all clusters.
    public private(set) var marks: [UInt32] = []
    private var classes: [UInt8] = []

    /// No text.
    public init() {}

    /// The folded form of a text.
    public init(_ text: some Sequence<Unicode.Scalar>) {
        var position: Int32 = 0
        for scalar in text {
            append(scalar.value, at: position)
            position += 1
        }
    }

    /// The folded form of bytes, as they are shown: a bad part is U+FFFD.
    public init(_ bytes: some Collection<UInt8>) {
        ShownText.withBuffer(bytes) { _ = load($0) }
    }

    /// Replaces this text by that of the bytes; keeps its memory.
    ///
    /// - Returns: whether the bytes were well-formed UTF-8.
    @discardableResult
    public mutating func load(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        clusters.removeAll(keepingCapacity: true)
        marks.removeAll(keepingCapacity: true)
        classes.removeAll(keepingCapacity: true)
        var wellFormed = true
        var index = 0
        var position: Int32 = 0
        while index < bytes.count {
            if let scalar = ShownText.next(bytes, &index) {
                append(scalar, at: position)
            } else {
                wellFormed = false
                append(ShownText.replacement, at: position)
            }
            position += 1
        }
        return wellFormed
    }

    private mutating func append(_ scalar: UInt32, at position: Int32) {
        if scalar < 0x80 {
            var base = scalar
            var kind = Kind.other
            var isUpper = false
            switch scalar {
            case 0x30...0x39: kind = .digit
            case 0x61...0x7A: kind = .letter
            case 0x41...0x5A: (base, kind, isUpper) = (scalar | 0x20, .letter, true)
            default: break
            }
            appendCluster(base, kind, isUpper: isUpper, at: position)
            return
        }
        if Self.latinRange.contains(scalar),
            let known = Self.latin[Int(scalar - Self.latinRange.lowerBound)]
        {
            appendCluster(known.base, .letter, isUpper: known.isUpper, at: position)
            appendMark(known.mark, combiningClass: known.combiningClass, at: position)
            return
        }
        appendByTable(scalar, at: position)
    }

    /// A letter that folds to another and one mark, as most of Europe's do.
    private struct MarkedLetter {
        let base: UInt32
        let mark: UInt32
        let combiningClass: UInt8
        let isUpper: Bool
    }

    private static let latinRange: ClosedRange<UInt32> = 0xC0...0x17F

    /// What `utf8proc` says of À…ſ, asked once: nil where it is not a letter and one mark.
    private static let latin: [MarkedLetter?] = latinRange.map { scalar in
        var text = FoldedText()
        text.appendByTable(scalar, at: 0)
        guard text.clusters.count == 1, text.marks.count == 1, text.clusters[0].kind == .letter
        else { return nil }
        return MarkedLetter(
            base: text.clusters[0].base, mark: text.marks[0], combiningClass: text.classes[0],
            isUpper: text.clusters[0].isUpper)
    }

    /// Of U+00C0…U+017F, by place: the ASCII letter that it folds to (0: it does not fold to one with one mark), that mark,
    /// and whether it is upper case.
    static let markedLetters: [(base: UInt8, mark: UInt32, isUpper: Bool)] = latin.map { letter in
        guard let letter, let base = UInt8(exactly: letter.base), (0x61...0x7A).contains(base)
        else { return (0, 0, false) }
        return (base, letter.mark, letter.isUpper)
    }

    /// Appends a scalar as utf8proc's tables fold and decompose it.
    private mutating func appendByTable(_ scalar: UInt32, at position: Int32) {
        let category = utf8proc_category(utf8proc_int32_t(bitPattern: scalar))
        let isUpper = category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LT
        let options = utf8proc_option_t(
            rawValue: UTF8PROC_DECOMPOSE.rawValue | UTF8PROC_CASEFOLD.rawValue)
        withUnsafeTemporaryAllocation(of: utf8proc_int32_t.self, capacity: 32) { folded in
            var boundary: CInt = 0
            // No scalar folds and decomposes to more than 18; utf8proc counts what did not fit.
            let count = utf8proc_decompose_char(
                utf8proc_int32_t(bitPattern: scalar), folded.baseAddress, 32, options, &boundary)
            guard count > 0, count <= 32 else {
                appendCluster(scalar, .other, isUpper: false, at: position)
                return
            }
            for index in 0..<count {
                appendFolded(folded[index], isUpper: isUpper, at: position)
            }
        }
    }

    private mutating func appendFolded(
        _ scalar: utf8proc_int32_t, isUpper: Bool, at position: Int32
    ) {
        let value = UInt32(bitPattern: scalar)
        switch utf8proc_category(scalar) {
        case UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_MC, UTF8PROC_CATEGORY_ME:
            appendMark(
                value, combiningClass: UInt8(truncatingIfNeeded: combiningClass(scalar)),
                at: position)
        case UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LT,
            UTF8PROC_CATEGORY_LM, UTF8PROC_CATEGORY_LO:
            appendCluster(value, .letter, isUpper: isUpper, at: position)
        default:
            let isDigit = (0x30...0x39).contains(value)
            appendCluster(value, isDigit ? .digit : .other, isUpper: isUpper, at: position)
        }
    }

    private func combiningClass(_ scalar: utf8proc_int32_t) -> Int16 {
        utf8proc_get_property(scalar).pointee.combining_class
    }

    private mutating func appendCluster(
        _ base: UInt32, _ kind: Kind, isUpper: Bool, at position: Int32
    ) {
        let end = Int32(marks.count)
        clusters.append(
            Cluster(
                base: base, kind: kind, isUpper: isUpper, marks: end..<end,
                source: position..<(position + 1)))
    }

    /// Puts a mark behind the last cluster, in canonical order (UAX #15, "Canonical Ordering Algorithm").
    private mutating func appendMark(_ mark: UInt32, combiningClass: UInt8, at position: Int32) {
        if clusters.isEmpty { appendCluster(0, .other, isUpper: false, at: position) }
        let last = clusters.count - 1
        let first = Int(clusters[last].marks.lowerBound)
        var place = marks.count
        if combiningClass != 0 {
            while place > first, classes[place - 1] > combiningClass { place -= 1 }
        }
        marks.insert(mark, at: place)
        classes.insert(combiningClass, at: place)
        clusters[last].marks = Int32(first)..<Int32(marks.count)
        clusters[last].source = clusters[last].source.lowerBound..<(position + 1)
    }

    /// The marks of a cluster.
    @inline(__always)
    func marks(of cluster: Cluster) -> ArraySlice<UInt32> {
        marks[Int(cluster.marks.lowerBound)..<Int(cluster.marks.upperBound)]
    }
}
