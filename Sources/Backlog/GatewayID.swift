/// Names a gateway in its tree: 64 random bits, made once with its database, so that a copy of the program is no other.
struct GatewayID: Sendable, Hashable, CustomStringConvertible {
    let number: UInt64

    /// A new one.
    init() {
        number = UInt64.random(in: .min ... .max)
    }

    init(number: UInt64) {
        self.number = number
    }

    /// Reads 16 lower-case hex digits; nil for anything else.
    init?(_ hex: some StringProtocol) {
        guard hex.utf8.count == 16,
            hex.utf8.allSatisfy({
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }),
            let number = UInt64(hex, radix: 16)
        else { return nil }
        self.number = number
    }

    /// 16 lower-case hex digits.
    var description: String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
