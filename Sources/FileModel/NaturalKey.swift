/// The part of an order's key that puts names as a Spanish reader expects them.
///
/// Five levels, each deciding only where the ones before are equal:
/// 1. without case and accents: other characters, then runs of digits by value, then letters by code point,
///    ñ a letter of its own after n;
/// 2. accents: at the first place that differs, the one with fewer;
/// 3. lower before upper;
/// 4. fewer leading zeros;
/// 5. bytes (appended by ``ListOrder``).
///
/// A key ends itself: no key is the beginning of another, so it may be complemented to turn the order round.
/// Level 1 is one byte for an ASCII character; levels 2 to 4 list only the places where there is something to tell.
enum NaturalKey {
    // Level 1. Every first byte of an element is above `end`.
    private static let end: UInt8 = 0
    private static let otherBeyondASCII: UInt8 = 0x81
    private static let digits: UInt8 = 0x82
    private static let enye = letter(0x6E) + 1
    private static let letterBeyondASCII: UInt8 = 0xC0
    private static let combiningTilde: UInt32 = 0x303

    /// The byte of an ASCII letter a…z: in order, with room for ñ between n and o.
    private static func letter(_ scalar: UInt8) -> UInt8 {
        0x90 + (scalar - 0x61) + (scalar > 0x6E ? 1 : 0)
    }

    /// What one ASCII byte is at level 1: 0 for a digit, else its byte in the key.
    private static let asciiBytes: [UInt8] = (0..<128).map { (scalar: UInt8) in
        switch scalar {
        case 0x30...0x39: 0
        case 0x41...0x5A: letter(scalar | 0x20)
        case 0x61...0x7A: letter(scalar)
        default: scalar + 1
        }
    }

    /// Appends levels 1 to 4 of a name.
    ///
    /// - Returns: false where the name is not UTF-8; what was appended then is to be thrown away.
    static func append(
        _ name: UnsafeBufferPointer<UInt8>, to key: inout [UInt8], scratch: inout FoldedText
    ) -> Bool {
        if ShownText.isASCII(name) {
            appendASCII(name, to: &key)
            return true
        }
        guard scratch.load(name) else { return false }
        appendFolded(scratch, to: &key)
        return true
    }

    private static func appendASCII(_ name: UnsafeBufferPointer<UInt8>, to key: inout [UInt8]) {
        // Level 1 is at most three bytes for a byte of the name: a run of one digit. Then the levels' ends; places of
        // upper-case letters are two bytes each, those of zeros three.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: name.count * 5 + 8) { buffer in
            var count = 0
            func put(_ byte: UInt8) {
                buffer[count] = byte
                count += 1
            }
            func put(place: Int) {
                let value = 0xFFFF - UInt16(clamping: place)
                put(UInt8(value >> 8))
                put(UInt8(value & 0xFF))
            }
            var uppers = 0
            var hasZeros = false
            asciiBytes.withUnsafeBufferPointer { table in
                var index = 0
                while index < name.count {
                    let byte = name[index]
                    let element = table[Int(byte)]
                    if element != 0 {
                        put(element)
                        uppers += (0x41...0x5A).contains(byte) ? 1 : 0
                        index += 1
                        continue
                    }
                    while index < name.count, name[index] == 0x30 {
                        index += 1
                        hasZeros = true
                    }
                    let start = index
                    while index < name.count, (0x30...0x39).contains(name[index]) { index += 1 }
                    put(digits)
                    // A name has at most 255 bytes, so a run has at most 255 digits.
                    put(UInt8(clamping: index - start))
                    for place in start..<index { put(name[place]) }
                }
            }
            put(end)
            put(end)
            put(end)
            if uppers > 0 { appendUppers(of: name) { put(place: $0) } }
            put(end)
            put(end)
            if hasZeros {
                appendZeros(of: name) { run, zeros in
                    put(place: run)
                    put(UInt8(clamping: zeros))
                }
            }
            put(end)
            put(end)
            key.append(contentsOf: UnsafeBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// Tells the element of each upper-case letter; a run of digits is one element.
    private static func appendUppers(
        of name: UnsafeBufferPointer<UInt8>, _ tell: (Int) -> Void
    ) {
        var element = 0
        var wasDigit = false
        for byte in name {
            let isDigit = (0x30...0x39).contains(byte)
            if isDigit, wasDigit { continue }
            wasDigit = isDigit
            if (0x41...0x5A).contains(byte) { tell(element) }
            element += 1
        }
    }

    /// Tells the number of leading zeros of each run that has some.
    private static func appendZeros(
        of name: UnsafeBufferPointer<UInt8>, _ tell: (Int, Int) -> Void
    ) {
        var run = 0
        var index = 0
        while index < name.count {
            guard (0x30...0x39).contains(name[index]) else {
                index += 1
                continue
            }
            let start = index
            while index < name.count, name[index] == 0x30 { index += 1 }
            if index > start { tell(run, index - start) }
            while index < name.count, (0x30...0x39).contains(name[index]) { index += 1 }
            run += 1
        }
    }

    /// A place where there is something to tell. The first place that differs decides, and there the entry that
    /// has nothing is smaller: so earlier places are written as larger numbers.
    private static func appendPlace(_ place: Int, to key: inout [UInt8]) {
        let value = 0xFFFF - UInt16(clamping: place)
        key.append(UInt8(value >> 8))
        key.append(UInt8(value & 0xFF))
    }

    private static func appendZeros(_ zeros: Int, run: Int, to key: inout [UInt8]) {
        guard zeros > 0 else { return }
        appendPlace(run, to: &key)
        key.append(UInt8(clamping: zeros))
    }

    private static func append24(_ value: UInt32, to key: inout [UInt8]) {
        key.append(UInt8(value >> 16 & 0xFF))
        key.append(UInt8(value >> 8 & 0xFF))
        key.append(UInt8(value & 0xFF))
    }

    private static func appendFolded(_ text: FoldedText, to key: inout [UInt8]) {
        var accents: [UInt8] = []
        var uppers: [UInt8] = []
        var zeros: [UInt8] = []
        text.clusters.withUnsafeBufferPointer { clusters in
            text.marks.withUnsafeBufferPointer { marks in
                var element = 0
                var run = 0
                var index = 0
                while index < clusters.count {
                    let cluster = clusters[index]
                    if cluster.kind == .digit {
                        let start = index
                        while index < clusters.count, clusters[index].kind == .digit { index += 1 }
                        let digits = UnsafeBufferPointer(rebasing: clusters[start..<index])
                        appendZeros(appendRun(digits, to: &key), run: run, to: &zeros)
                        // The marks of neighbours lie together.
                        let all = cluster.marks.lowerBound..<clusters[index - 1].marks.upperBound
                        appendAccents(marks, all, but: nil, element: element, to: &accents)
                        run += 1
                    } else {
                        let tilde = enyeTilde(of: cluster, marks)
                        if tilde != nil {
                            key.append(enye)
                        } else if cluster.base != 0 {
                            appendElement(cluster, to: &key)
                        }
                        appendAccents(
                            marks, cluster.marks, but: tilde, element: element, to: &accents)
                        if cluster.isUpper { appendPlace(element, to: &uppers) }
                        index += 1
                    }
                    element += 1
                }
            }
        }
        key.append(end)
        appendLevel(accents, to: &key)
        appendLevel(uppers, to: &key)
        appendLevel(zeros, to: &key)
    }

    private static func appendLevel(_ places: [UInt8], to key: inout [UInt8]) {
        key.append(contentsOf: places)
        key.append(end)
        key.append(end)
    }

    /// Appends a run of digits by its value, and returns how many zeros stood before it.
    private static func appendRun(
        _ run: UnsafeBufferPointer<FoldedText.Cluster>, to key: inout [UInt8]
    ) -> Int {
        var zeros = 0
        while zeros < run.count, run[zeros].base == 0x30 { zeros += 1 }
        key.append(digits)
        key.append(UInt8(clamping: run.count - zeros))
        for place in zeros..<run.count { key.append(UInt8(run[place].base)) }
        return zeros
    }

    /// Where the tilde is that makes an n an ñ.
    private static func enyeTilde(
        of cluster: FoldedText.Cluster, _ marks: UnsafeBufferPointer<UInt32>
    ) -> Int32? {
        guard cluster.base == 0x6E else { return nil }
        return cluster.marks.first { marks[Int($0)] == combiningTilde }
    }

    private static func appendElement(_ cluster: FoldedText.Cluster, to key: inout [UInt8]) {
        switch (cluster.kind, cluster.base < 0x80) {
        case (_, true): key.append(asciiBytes[Int(cluster.base)])
        case (.letter, false):
            key.append(letterBeyondASCII)
            append24(cluster.base, to: &key)
        case (_, false):
            key.append(otherBeyondASCII)
            append24(cluster.base, to: &key)
        }
    }

    private static func appendAccents(
        _ marks: UnsafeBufferPointer<UInt32>, _ range: Range<Int32>, but left: Int32?,
        element: Int, to key: inout [UInt8]
    ) {
        guard range.count > (left == nil ? 0 : 1) else { return }
        appendPlace(element, to: &key)
        for index in range where index != left {
            key.append(1)
            append24(marks[Int(index)], to: &key)
        }
        key.append(end)
    }
}
