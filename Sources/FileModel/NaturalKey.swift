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
    @inline(__always)
    private static func asciiByte(_ scalar: UInt8) -> UInt8 {
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
        if appendDirectly(name, to: &key) { return true }
        guard scratch.load(name) else { return false }
        appendFolded(scratch, to: &key)
        return true
    }

    /// Appends the levels straight from the bytes of a name of ASCII and ``FoldedText/markedLetters``, as nearly all of
    /// Europe's are: the same as ``appendFolded(_:to:)``, of a seventh of the instructions.
    ///
    /// - Returns: false, and nothing is appended, where there is anything else in it.
    private static func appendDirectly(
        _ name: UnsafeBufferPointer<UInt8>, to key: inout [UInt8]
    ) -> Bool {
        guard let bytes = name.baseAddress else { return false }
        let length = name.count
        // Room for each level at its longest. 1: three bytes for a run of one digit. Accents: seven for a letter of two
        // bytes. Upper-case letters: two each. Zeros: three for each run that has some, and a byte stands between runs.
        let accents = 3 * length + 1
        let uppers = accents + 4 * length + 2
        let zeros = uppers + 2 * length + 2
        let capacity = zeros + 2 * length + 4
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: capacity) { buffer in
            guard let level = buffer.baseAddress else { return false }
            let count = writeLevels(
                of: bytes, length, to: level, accents: level + accents, uppers: level + uppers,
                zeros: level + zeros)
            guard let count else { return false }
            key.append(contentsOf: UnsafeBufferPointer(start: level, count: count))
            return true
        }
    }

    /// Writes the levels, each to its place, then moves them together at the first one's.
    ///
    /// - Returns: how many bytes they take; nil where the name has anything but ASCII and marked letters.
    private static func writeLevels(
        of bytes: UnsafePointer<UInt8>, _ length: Int, to main: UnsafeMutablePointer<UInt8>,
        accents: UnsafeMutablePointer<UInt8>, uppers: UnsafeMutablePointer<UInt8>,
        zeros: UnsafeMutablePointer<UInt8>
    ) -> Int? {
        var (mainEnd, accentsEnd, uppersEnd, zerosEnd) = (main, accents, uppers, zeros)
        var element = 0
        var run = 0
        var index = 0
        while index < length {
            let byte = bytes[index]
            if byte >= 0x80 {
                // Two bytes of UTF-8, U+00C0…U+017F.
                guard (0xC3...0xC5).contains(byte), index + 1 < length,
                    bytes[index + 1] & 0xC0 == 0x80
                else { return nil }
                let scalar = Int(byte & 0x1F) << 6 | Int(bytes[index + 1] & 0x3F)
                let letter = FoldedText.markedLetters[scalar - 0xC0]
                guard letter.base != 0 else { return nil }
                if letter.base == 0x6E, letter.mark == combiningTilde {
                    mainEnd.pointee = enye
                } else {
                    mainEnd.pointee = Self.letter(letter.base)
                    put(place: element, to: &accentsEnd)
                    accentsEnd[0] = 1
                    accentsEnd[1] = UInt8(letter.mark >> 16 & 0xFF)
                    accentsEnd[2] = UInt8(letter.mark >> 8 & 0xFF)
                    accentsEnd[3] = UInt8(letter.mark & 0xFF)
                    accentsEnd[4] = end
                    accentsEnd += 5
                }
                mainEnd += 1
                if letter.isUpper { put(place: element, to: &uppersEnd) }
                index += 2
            } else if byte &- 0x30 < 10 {
                let first = index
                while index < length, bytes[index] == 0x30 { index += 1 }
                if index > first {
                    put(place: run, to: &zerosEnd)
                    zerosEnd.pointee = UInt8(clamping: index - first)
                    zerosEnd += 1
                }
                let start = index
                while index < length, bytes[index] &- 0x30 < 10 { index += 1 }
                mainEnd[0] = digits
                // A name has at most 255 bytes, so a run has at most 255 digits.
                mainEnd[1] = UInt8(clamping: index - start)
                (mainEnd + 2).update(from: bytes + start, count: index - start)
                mainEnd += 2 + index - start
                run += 1
            } else {
                mainEnd.pointee = asciiByte(byte)
                mainEnd += 1
                if byte &- 0x41 < 26 { put(place: element, to: &uppersEnd) }
                index += 1
            }
            element += 1
        }
        mainEnd.pointee = end
        mainEnd += 1
        // Towards the front: never into a level that is still to be moved.
        close(accents, accentsEnd, at: &mainEnd)
        close(uppers, uppersEnd, at: &mainEnd)
        close(zeros, zerosEnd, at: &mainEnd)
        return mainEnd - main
    }

    private static func put(place: Int, to level: inout UnsafeMutablePointer<UInt8>) {
        let value = 0xFFFF - UInt16(clamping: place)
        level[0] = UInt8(truncatingIfNeeded: value >> 8)
        level[1] = UInt8(truncatingIfNeeded: value)
        level += 2
    }

    private static func close(
        _ start: UnsafeMutablePointer<UInt8>, _ stop: UnsafeMutablePointer<UInt8>,
        at place: inout UnsafeMutablePointer<UInt8>
    ) {
        place.update(from: start, count: stop - start)
        place += stop - start
        place[0] = end
        place[1] = end
        place += 2
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

    /// Appends the levels of any text.
    static func appendFolded(_ text: FoldedText, to key: inout [UInt8]) {
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
        case (_, true): key.append(asciiByte(UInt8(cluster.base)))
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
