/// Why the broker, or the way to it, failed. No message ever holds a secret.
public struct RabbitMQError: Error, Sendable, Hashable {
    /// What failed; a closed set.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// What the operator configured can't be read or used.
        case configuration
        /// The host was not found, or nobody took the connection.
        case unreachable
        /// The host's certificate is not one that we were told to trust, or names another host.
        case untrusted
        /// The broker does not let this user in, or do this.
        case refused
        /// A queue or exchange is there already, declared otherwise (AMQP's 406).
        case mismatch
        /// The connection broke, or the broker closed it.
        case closed
        /// The broker did not answer within the deadline.
        case timedOut
        /// `BrokerInterrupter.interrupt()` ended the call.
        case interrupted
        /// The broker answered what it should not have, or knows no such queue.
        case unexpected
        /// This system gave no descriptor or memory.
        case system
    }

    /// What failed.
    public let code: Code
    /// One line for the operator.
    public let message: String

    /// Makes an error; control characters of the message are replaced.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = Self.line(message)
    }

    /// Whether the same may succeed a moment later without anybody's doing.
    public var isRetriable: Bool {
        switch code {
        case .unreachable, .closed, .timedOut, .unexpected, .system: true
        case .configuration, .untrusted, .refused, .mismatch, .interrupted: false
        }
    }

    /// What a broker says is written into logs: one line of at most 500 characters, whatever it sends.
    static func line(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.prefix(500).map { scalar in
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator: " "
                    default: scalar
                    }
                }))
    }
}

extension RabbitMQError: CustomStringConvertible {
    /// The message.
    public var description: String { message }
}
