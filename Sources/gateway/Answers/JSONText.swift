import FileModel

/// Writes JSON (RFC 8259) into bytes. Text that is not UTF-8 is repaired as ``ShownText`` says.
struct JSONText {
    private(set) var bytes: [UInt8] = []

    /// Makes room.
    mutating func reserve(_ count: Int) {
        bytes.reserveCapacity(count)
    }

    /// Appends JSON that is already written.
    mutating func raw(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// Appends JSON that is already written.
    mutating func raw(_ text: some Sequence<UInt8>) {
        bytes.append(contentsOf: text)
    }

    /// Appends a number.
    mutating func number(_ value: Int) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var rest = value.magnitude
            var start = 20
            repeat {
                start -= 1
                digits[start] = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
                rest /= 10
            } while rest > 0
            if value < 0 { bytes.append(UInt8(ascii: "-")) }
            bytes.append(contentsOf: digits[start...])
        }
    }

    /// Appends `member` and a time as a string; nothing where RFC 3339 can't write it.
    mutating func time(_ time: Timestamp, after member: StaticString) {
        let start = bytes.count
        raw(member)
        raw("\"")
        guard time.appendRFC3339(to: &bytes) else {
            bytes.removeSubrange(start...)
            return
        }
        raw("\"")
    }

    /// Appends a string with its quotes.
    mutating func string(_ text: String) {
        raw("\"")
        ShownText.withBuffer(Array(text.utf8)) { _ = escaped($0) }
        raw("\"")
    }

    /// What a byte needs in a string: 0 nothing, 1 an escape, 2 it begins a scalar beyond ASCII.
    private static let needs: [UInt8] = (0..<256).map { (byte: Int) in
        byte >= 0x80 ? 2 : byte < 0x20 || byte == 0x7F || byte == 0x22 || byte == 0x5C ? 1 : 0
    }

    /// Appends what stands between a string's quotes.
    ///
    /// - Returns: whether the text was UTF-8.
    mutating func escaped(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var wellFormed = true
        Self.needs.withUnsafeBufferPointer { needs in
            // Everything in text[run..<index] stands for itself and goes out as one piece.
            var run = 0
            var index = 0
            func flush(_ end: Int) {
                guard run < end else { return }
                bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[run..<end]))
            }
            while index < text.count {
                let need = needs[Int(text[index])]
                if need == 0 {
                    index += 1
                    continue
                }
                let start = index
                if need == 2 {
                    if ShownText.next(text, &index) != nil { continue }
                    wellFormed = false
                    flush(start)
                    raw("\u{FFFD}")
                } else {
                    flush(start)
                    index += 1
                    escape(text[start])
                }
                run = index
            }
            flush(text.count)
        }
        return wellFormed
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case 0x22: raw("\\\"")
        case 0x5C: raw("\\\\")
        case 0x0A: raw("\\n")
        case 0x0D: raw("\\r")
        case 0x09: raw("\\t")
        default:
            raw("\\u00")
            let digits: StaticString = "0123456789abcdef"
            digits.withUTF8Buffer { digits in
                bytes.append(digits[Int(byte >> 4)])
                bytes.append(digits[Int(byte & 15)])
            }
        }
    }
}
