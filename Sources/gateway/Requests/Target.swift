/// The target of a request: its path, and its query as it stands.
struct Target: Sendable {
    /// Percent-decoded; nil where it can't be decoded.
    let path: [UInt8]?
    /// What follows the first `?`, not decoded.
    let query: [UInt8]

    /// Splits a target (RFC 9112, 3.2.1).
    init(_ bytes: [UInt8]) {
        let parts = bytes.split(
            separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        path = PercentCoding.decoded(parts.first ?? [], plusIsSpace: false)
        query = parts.count == 2 ? Array(parts[1]) : []
    }
}

/// Percent-encoding (RFC 3986, 2.1).
enum PercentCoding {
    /// Decoded once; nil where an escape is broken.
    static func decoded(_ text: some Collection<UInt8>, plusIsSpace: Bool) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var bytes = text.makeIterator()
        while let byte = bytes.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = bytes.next().flatMap(digit), let low = bytes.next().flatMap(digit)
                else { return nil }
                result.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace: result.append(UInt8(ascii: " "))
            default: result.append(byte)
            }
        }
        return result
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    /// Appends bytes with all but `A–Z a–z 0–9 - . _ ~ /` encoded.
    static func append(_ bytes: some Sequence<UInt8>, to text: inout [UInt8]) {
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in bytes {
            switch byte {
            case 0x41...0x5A, 0x61...0x7A, 0x30...0x39, 0x2D, 0x2E, 0x5F, 0x7E, 0x2F:
                text.append(byte)
            default:
                text.append(UInt8(ascii: "%"))
                text.append(digits[Int(byte >> 4)])
                text.append(digits[Int(byte & 15)])
            }
        }
    }

    /// Bytes with all but `A–Z a–z 0–9 - . _ ~ /` encoded.
    static func encoded(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        append(bytes, to: &text)
        return String(decoding: text, as: UTF8.self)
    }
}
