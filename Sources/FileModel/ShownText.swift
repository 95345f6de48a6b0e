/// Bytes as Unicode scalars: what a name that may not be UTF-8 looks like to people.
///
/// Each maximal bad part becomes one U+FFFD (The Unicode Standard, 3.9, "U+FFFD Substitution of Maximal Subparts").
public enum ShownText {
    /// U+FFFD.
    public static let replacement: UInt32 = 0xFFFD

    /// Decodes the scalar at `index` and moves `index` behind it, or behind the maximal bad part.
    ///
    /// - Returns: the scalar, or nil for a bad part.
    @inline(__always)
    public static func next(
        _ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int
    ) -> UInt32? {
        let first = bytes[index]
        index += 1
        if first < 0x80 { return UInt32(first) }
        var low: UInt8 = 0x80
        var high: UInt8 = 0xBF
        let following: Int
        var scalar: UInt32
        switch first {
        case 0xC2...0xDF: (following, scalar) = (1, UInt32(first & 0x1F))
        case 0xE0...0xEF:
            (following, scalar) = (2, UInt32(first & 0x0F))
            if first == 0xE0 { low = 0xA0 }
            if first == 0xED { high = 0x9F }
        case 0xF0...0xF4:
            (following, scalar) = (3, UInt32(first & 0x07))
            if first == 0xF0 { low = 0x90 }
            if first == 0xF4 { high = 0x8F }
        default: return nil
        }
        for _ in 0..<following {
            guard index < bytes.count, bytes[index] >= low, bytes[index] <= high else {
                return nil
            }
            scalar = scalar << 6 | UInt32(bytes[index] & 0x3F)
            index += 1
            low = 0x80
            high = 0xBF
        }
        return scalar
    }

    /// Whether all bytes are ASCII.
    @inline(__always)
    public static func isASCII(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var seen: UInt8 = 0
        for byte in bytes { seen |= byte }
        return seen < 0x80
    }

    /// Whether the bytes are well-formed UTF-8.
    public static func isUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        if isASCII(bytes) { return true }
        var index = 0
        while index < bytes.count {
            if next(bytes, &index) == nil { return false }
        }
        return true
    }

    /// Whether the bytes are well-formed UTF-8.
    public static func isUTF8(_ bytes: some Collection<UInt8>) -> Bool {
        withBuffer(bytes) { isUTF8($0) }
    }

    /// The bytes as a string, repaired.
    public static func string(_ bytes: some Collection<UInt8>) -> String {
        var text = String.UnicodeScalarView()
        withBuffer(bytes) { buffer in
            var index = 0
            while index < buffer.count {
                let scalar = next(buffer, &index) ?? replacement
                text.append(Unicode.Scalar(scalar) ?? "\u{FFFD}")
            }
        }
        return String(text)
    }

    /// Runs `body` on the bytes of any collection, without a copy where they lie together.
    public static func withBuffer<Result>(
        _ bytes: some Collection<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Result
    ) -> Result {
        bytes.withContiguousStorageIfAvailable(body)
            ?? Array(bytes).withUnsafeBufferPointer(body)
    }
}
