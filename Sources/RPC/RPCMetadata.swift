/// What travels beside a request: ordered pairs of ASCII key and value, such as `traceparent`.
///
/// Only pairs that gRPC can carry get in, so that no text of a client can break a call.
public struct RPCMetadata: Sendable, Hashable {
    /// One pair.
    public struct Entry: Sendable, Hashable {
        /// Lower case.
        public let key: String
        /// Printable ASCII.
        public let value: String
    }

    /// All pairs, in the order they were appended or arrived in.
    public private(set) var entries: [Entry] = []

    /// The most that all pairs may take together, in bytes, 32 a pair included: gRPC's bound is 8
    /// KiB with its own headers, and past it answers differ with the moment (seen: refused,
    /// dropped, connection closed).
    public static let bytesMax = 4_096

    /// The most pairs that fit.
    static let entriesMax = bytesMax / 32

    /// How much the pairs take, counted as HTTP/2 does (RFC 7541, 4.1).
    private var bytes = 0

    /// No pairs.
    public init() {}

    /// The first value of that key; `nil` if there is none.
    public subscript(_ key: String) -> String? {
        entries.first { $0.key == key }?.value
    }

    /// Appends a pair, or leaves it away if gRPC can't carry it as it is: a key that is not of
    /// `[a-z0-9_.-]`, that is gRPC's or HTTP/2's own, or ends in `-bin`; a value that is not of
    /// printable ASCII; a pair too many.
    ///
    /// - Returns: whether it was appended.
    @discardableResult
    public mutating func append(_ key: String, _ value: String) -> Bool {
        let size = key.utf8.count + value.utf8.count + 32
        guard bytes + size <= Self.bytesMax, Self.isKey(key), Self.isValue(value) else {
            return false
        }
        bytes += size
        entries.append(Entry(key: key, value: value))
        return true
    }

    /// For pairs that gRPC has checked and bounded.
    mutating func appendReceived(_ key: String, _ value: String) {
        bytes += key.utf8.count + value.utf8.count + 32
        entries.append(Entry(key: key, value: value))
    }

    /// Names that HTTP/2 and gRPC give their own meaning.
    private static let reserved: Set<String> = [
        "te", "content-type", "content-length", "user-agent", "host", "connection", "keep-alive",
        "proxy-connection", "transfer-encoding", "upgrade", "trailer", "lb-token", "lb-cost-bin",
    ]

    private static func isKey(_ key: String) -> Bool {
        guard !key.isEmpty else { return false }
        let isWritten = key.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        return isWritten && !key.hasPrefix("grpc-") && !key.hasSuffix("-bin")
            && !reserved.contains(key)
    }

    private static func isValue(_ value: String) -> Bool {
        value.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    }
}
