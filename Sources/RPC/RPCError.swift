/// How a call failed: what a handler throws on one side is what the caller gets on the other.
public struct RPCError: Error, Hashable, Sendable {
    /// Never `ok`.
    public let code: RPCStatusCode
    /// For the operator. Any text may be sent; it arrives cut to `messageBytesMax`.
    public let message: String

    /// The longest message that is sent, in UTF-8 bytes: gRPC bounds all metadata of an answer to
    /// 8 KiB, and percent-encoding may triple a message.
    public static let messageBytesMax = 1_024

    /// Makes an error; `code` should be one of the defined failures.
    public init(_ code: RPCStatusCode, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Whether the same call may succeed a moment later: only when the server was not reached, or
    /// went away. The call may have been carried out nevertheless.
    public var isRetriable: Bool {
        code == .unavailable
    }
}

extension RPCError: CustomStringConvertible {
    /// The code's name and the message.
    public var description: String {
        "\(code): \(message)"
    }
}

extension RPCError {
    /// The message, cut to its bound at a character's border.
    var messageToSend: Substring {
        guard message.utf8.count > Self.messageBytesMax else { return message[...] }
        var end = message.utf8.index(message.startIndex, offsetBy: Self.messageBytesMax)
        while end.samePosition(in: message) == nil, end > message.startIndex {
            end = message.utf8.index(before: end)
        }
        return message[..<end]
    }
}
