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

    /// Appends a string with its quotes.
    mutating func string(_ text: String) {
        raw("\"")
        ShownText.withBuffer(Array(text.utf8)) { _ = escaped($0) }
        raw("\"")
    }

    /// Appends what stands between a string's quotes.
    ///
    /// - Returns: whether the text was UTF-8.
    mutating func escaped(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var isPlain = true
        for byte in text where !Self.isPlain(byte) {
            isPlain = false
            break
        }
        if isPlain {
            bytes.append(contentsOf: text)
            return true
        }
        return escapedSlowly(text)
    }

    @inline(__always)
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    private mutating func escapedSlowly(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var wellFormed = true
        var index = 0
        while index < text.count {
            let start = index
            guard let scalar = ShownText.next(text, &index) else {
                wellFormed = false
                raw("\u{FFFD}")
                continue
            }
            switch scalar {
            case 0x22: raw("\\\"")
            case 0x5C: raw("\\\\")
            case 0x0A: raw("\\n")
            case 0x0D: raw("\\r")
            case 0x09: raw("\\t")
            case 0..<0x20, 0x7F:
                raw("\\u00")
                let digits = Array("0123456789abcdef".utf8)
                bytes.append(digits[Int(scalar >> 4)])
                bytes.append(digits[Int(scalar & 15)])
            default: bytes.append(contentsOf: text[start..<index])
            }
        }
        return wellFormed
    }
}
