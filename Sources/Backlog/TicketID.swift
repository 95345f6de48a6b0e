/// Names a ticket: 128 random bits, so that it can't be guessed and no two hosts make the same one.
public struct TicketID: Sendable, Hashable, CustomStringConvertible {
    let high: UInt64
    let low: UInt64

    /// A new one, from the system's source of random numbers.
    public init() {
        var source = SystemRandomNumberGenerator()
        high = source.next()
        low = source.next()
    }

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads 32 lower-case hex digits; nil for anything else.
    public init?(_ hex: some StringProtocol) {
        var halves: (UInt64, UInt64) = (0, 0)
        var count = 0
        for byte in hex.utf8 {
            let digit: UInt64
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = UInt64(byte) + 10 - 0x61
            default: return nil
            }
            if count < 16 {
                halves.0 = halves.0 << 4 | digit
            } else {
                halves.1 = halves.1 << 4 | digit
            }
            count += 1
            if count > 32 { return nil }
        }
        guard count == 32 else { return nil }
        (high, low) = halves
    }

    /// Reads its 16 bytes; nil where there are more or less.
    init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Its 16 bytes, in the order of its digits.
    var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 16) { buffer, count in
            for place in 0..<8 {
                buffer[place] = UInt8(truncatingIfNeeded: high >> UInt64(56 - 8 * place))
                buffer[8 + place] = UInt8(truncatingIfNeeded: low >> UInt64(56 - 8 * place))
            }
            count = 16
        }
    }

    /// 32 lower-case hex digits.
    public var description: String {
        String(unsafeUninitializedCapacity: 32) { buffer in
            for place in 0..<32 {
                let half = place < 16 ? high : low
                let digit = UInt8(truncatingIfNeeded: half >> UInt64(60 - 4 * (place % 16)) & 0xF)
                buffer[place] = digit + (digit < 10 ? UInt8(ascii: "0") : 0x61 - 10)
            }
            return 32
        }
    }
}
