/// How a call ended: gRPC's canonical status codes.
///
/// A struct and not an enum, so that a code that a later gRPC sends is a value, never a crash.
/// Source: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
public struct RPCStatusCode: RawRepresentable, Hashable, Sendable {
    /// The number on the wire; 0…16 are defined.
    public let rawValue: Int32

    /// Takes any number: one that is not defined stays what it is.
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// The call was answered.
    public static let ok = RPCStatusCode(rawValue: 0)
    /// The call was cancelled by this side.
    public static let cancelled = RPCStatusCode(rawValue: 1)
    /// An error of which nothing more is known.
    public static let unknown = RPCStatusCode(rawValue: 2)
    /// The request makes no sense, whatever the state of the server.
    public static let invalidArgument = RPCStatusCode(rawValue: 3)
    /// The deadline passed before the answer was there.
    public static let deadlineExceeded = RPCStatusCode(rawValue: 4)
    /// What was asked for does not exist.
    public static let notFound = RPCStatusCode(rawValue: 5)
    /// What was to be made exists.
    public static let alreadyExists = RPCStatusCode(rawValue: 6)
    /// The caller may not do this.
    public static let permissionDenied = RPCStatusCode(rawValue: 7)
    /// A bound was reached: calls at once, bytes of a message.
    public static let resourceExhausted = RPCStatusCode(rawValue: 8)
    /// The state of the server does not allow it.
    public static let failedPrecondition = RPCStatusCode(rawValue: 9)
    /// Given up for a conflict with another call.
    public static let aborted = RPCStatusCode(rawValue: 10)
    /// Past the valid range.
    public static let outOfRange = RPCStatusCode(rawValue: 11)
    /// The server has no such method.
    public static let unimplemented = RPCStatusCode(rawValue: 12)
    /// A broken invariant.
    public static let internalError = RPCStatusCode(rawValue: 13)
    /// The server can't be reached now; the same call may succeed later.
    public static let unavailable = RPCStatusCode(rawValue: 14)
    /// Data was lost or damaged.
    public static let dataLoss = RPCStatusCode(rawValue: 15)
    /// The caller is not known.
    public static let unauthenticated = RPCStatusCode(rawValue: 16)

    /// What a server may end a failed call with; anything else goes out as `unknown`.
    var isDefinedFailure: Bool {
        (1...16).contains(rawValue)
    }
}

extension RPCStatusCode: CustomStringConvertible {
    private static let names = [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
        "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
        "UNAUTHENTICATED",
    ]

    /// gRPC's name of the code, for logs; `STATUS_n` for one that is not defined.
    public var description: String {
        let index = Int(rawValue)
        return Self.names.indices.contains(index) ? Self.names[index] : "STATUS_\(rawValue)"
    }
}
