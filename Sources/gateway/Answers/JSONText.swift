import FileModel

/// Writes JSON (RFC 8259) into bytes. Text that is not UTF-8 is repaired as ``ShownText`` says.
struct JSONText {
    /// What is written, and behind it room that has no meaning: bytes are put in place by pointer, a run at a time, where
    /// appending them to an array costs a hundred instructions and more.
    private var storage: [UInt8] = []
    private var count = 0

    /// Takes what is written; nothing is left. No byte is copied.
    mutating func takeBytes() -> [UInt8] {
        var bytes: [UInt8] = []
        swap(&bytes, &storage)
        bytes.removeLast(bytes.count - count)
        count = 0
        return bytes
    }

    /// Makes room.
    mutating func reserve(_ count: Int) {
        makeRoom(for: max(0, count - self.count))
    }

    private mutating func makeRoom(for more: Int) {
        guard storage.count - count < more else { return }
        let size = max(count + more, 2 * storage.count, 256)
        let old = storage
        // What is behind `count` has no meaning and is never read before it is written: it need not be zeroed.
        storage = [UInt8](unsafeUninitializedCapacity: size) { room, initialized in
            if let place = room.baseAddress {
                old.withUnsafeBufferPointer { old in
                    if let source = old.baseAddress { place.update(from: source, count: count) }
                }
            }
            initialized = size
        }
    }

    /// Appends what `body` writes.
    ///
    /// - Parameters:
    ///   - most: how many bytes that may be.
    ///   - body: gets the place to write to, and returns how many bytes it wrote.
    @inline(__always)
    private mutating func write(atMost most: Int, _ body: (UnsafeMutablePointer<UInt8>) -> Int) {
        if storage.count - count < most { makeRoom(for: most) }
        let start = count
        count += storage.withUnsafeMutableBufferPointer { storage in
            // There is an address: room for `most` was made, and for none nothing is written.
            guard let base = storage.baseAddress else { return 0 }
            return body(base + start)
        }
        assert(count - start <= most && count <= storage.count)
    }

    private mutating func put(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let source = bytes.baseAddress else { return }
        write(atMost: bytes.count) { place in
            place.update(from: source, count: bytes.count)
            return bytes.count
        }
    }

    /// Appends JSON that is already written.
    @inline(__always)
    mutating func raw(_ text: StaticString) {
        text.withUTF8Buffer { put($0) }
    }

    /// Appends JSON that is already written.
    mutating func raw(_ text: some Collection<UInt8>) {
        ShownText.withBuffer(text) { put($0) }
    }

    /// Appends a number.
    mutating func number(_ value: Int) {
        write(atMost: 20) { place in
            var digits = 1
            var rest = value.magnitude / 10
            while rest > 0 {
                digits += 1
                rest /= 10
            }
            let sign = value < 0 ? 1 : 0
            if value < 0 { place[0] = UInt8(ascii: "-") }
            rest = value.magnitude
            var index = sign + digits
            repeat {
                index -= 1
                place[index] = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
                rest /= 10
            } while index > sign
            return sign + digits
        }
    }

    /// Appends `member` and a time as a string; nothing where RFC 3339 can't write it.
    mutating func time(_ time: Timestamp, after member: StaticString) {
        guard let text = time.rfc3339 else { return }
        raw(member)
        write(atMost: RFC3339Text.count + 2) { place in
            place[0] = UInt8(ascii: "\"")
            text.write(to: place + 1)
            place[RFC3339Text.count + 1] = UInt8(ascii: "\"")
            return RFC3339Text.count + 2
        }
    }

    /// Appends a string with its quotes.
    mutating func string(_ text: String) {
        raw("\"")
        ShownText.withBuffer(text.utf8) { _ = escaped($0) }
        raw("\"")
    }

    /// Appends what stands between a string's quotes.
    ///
    /// - Returns: whether the text was UTF-8.
    mutating func escaped(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var wellFormed = true
        // A byte becomes six at most: \u00XX.
        write(atMost: 6 * text.count) { place in
            let end = Self.escape(text, to: place, &wellFormed)
            return end - place
        }
        return wellFormed
    }

    /// - Returns: behind the last byte written.
    private static func escape(
        _ text: UnsafeBufferPointer<UInt8>, to start: UnsafeMutablePointer<UInt8>,
        _ wellFormed: inout Bool
    ) -> UnsafeMutablePointer<UInt8> {
        guard let source = text.baseAddress else { return start }
        var place = start
        var index = 0
        let count = text.count
        while index < count {
            let byte = source[index]
            // From the space to the tilde.
            if byte &- 0x20 < 0x5F, byte != 0x22, byte != 0x5C {
                place.pointee = byte
                place += 1
                index += 1
            } else if byte < 0x80 {
                place += escape(byte, at: place)
                index += 1
            } else {
                let first = index
                if ShownText.next(text, &index) != nil {
                    for index in first..<index {
                        place.pointee = source[index]
                        place += 1
                    }
                } else {
                    wellFormed = false
                    // U+FFFD.
                    place[0] = 0xEF
                    place[1] = 0xBF
                    place[2] = 0xBD
                    place += 3
                }
            }
        }
        return place
    }

    private static func escape(_ byte: UInt8, at place: UnsafeMutablePointer<UInt8>) -> Int {
        let short: UInt8? =
            switch byte {
            case 0x22, 0x5C: byte
            case 0x0A: UInt8(ascii: "n")
            case 0x0D: UInt8(ascii: "r")
            case 0x09: UInt8(ascii: "t")
            default: nil
            }
        place[0] = UInt8(ascii: "\\")
        if let short {
            place[1] = short
            return 2
        }
        place[1] = UInt8(ascii: "u")
        place[2] = UInt8(ascii: "0")
        place[3] = UInt8(ascii: "0")
        place[4] = 0x30 + byte >> 4
        let low = byte & 15
        place[5] = low < 10 ? 0x30 + low : 0x57 + low
        return 6
    }
}
