import FastCGI

/// Who a request is, in every log and answer.
struct RequestIdentity: Sendable {
    /// The client's `X-Request-Id` where it is one (`[A-Za-z0-9._-]{1,128}`), else a UUID.
    let id: String
    /// A UUID: the id where it is one, else one of its own.
    let uuid: String
    /// W3C Trace Context for the daemon, where the client sent one: the same trace, a span of the gateway's own.
    let traceparent: String?

    /// A request that was kept: who it was then.
    init(id: String, uuid: String, traceparent: String?) {
        self.id = id
        self.uuid = uuid
        self.traceparent = traceparent
    }

    init(_ request: Request) {
        let given =
            request.parameter("REQUEST_ID").map { String(decoding: $0, as: UTF8.self) }
            ?? request.header("X-Request-Id")
        if let given, Self.isAllowed(given) {
            id = given
            uuid = Self.isUUID(given) ? given.lowercased() : Self.newUUID()
        } else {
            uuid = Self.newUUID()
            id = uuid
        }
        traceparent = request.header("Traceparent").flatMap(Self.child)
    }

    /// The trace's id, where there is one.
    var traceID: String? {
        traceparent.map { String($0.dropFirst(3).prefix(32)) }
    }

    private static func isAllowed(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x41...0x5A, 0x61...0x7A, 0x30...0x39, 0x2D, 0x2E, 0x5F: true
                default: false
                }
            }
    }

    private static func isUUID(_ text: String) -> Bool {
        guard text.utf8.count == 36 else { return false }
        var index = 0
        return text.utf8.allSatisfy { byte in
            defer { index += 1 }
            switch index {
            case 8, 13, 18, 23: return byte == UInt8(ascii: "-")
            default: return isHex(byte)
            }
        }
    }

    private static func isHex(_ text: Substring) -> Bool {
        text.utf8.allSatisfy(isHex)
    }

    private static func isHex(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
        default: false
        }
    }

    /// A random UUID (RFC 9562, version 4).
    private static func newUUID() -> String {
        let high = UInt64.random(in: .min ... .max) & ~0xF000 | 0x4000
        let low = UInt64.random(in: .min ... .max) & ~(3 << 62) | 2 << 62
        let text = hex(high) + hex(low)
        var parts: [Substring] = []
        var rest = text[...]
        for count in [8, 4, 4, 4, 12] {
            parts.append(rest.prefix(count))
            rest = rest.dropFirst(count)
        }
        return parts.joined(separator: "-")
    }

    private static func hex(_ value: UInt64) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }

    /// The `traceparent` of a call within the client's trace (W3C Trace Context, 3.2 and 3.4); nil for a bad one.
    private static func child(of parent: String) -> String? {
        let parts = parent.split(separator: "-", omittingEmptySubsequences: false)
        let isCurrent =
            parts.count == 4 && parts[0] == "00" && parts.map(\.utf8.count) == [2, 32, 16, 2]
        guard isCurrent, parts.allSatisfy({ isHex($0) && $0 == $0.lowercased() }),
            parts[1].contains(where: { $0 != "0" }), parts[2].contains(where: { $0 != "0" })
        else { return nil }
        return "00-\(parts[1])-\(hex(UInt64.random(in: 1 ... .max)))-\(parts[3])"
    }
}
