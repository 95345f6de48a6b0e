/// A durable queue and its arguments, as RabbitMQ names them.
public struct QueueDeclaration: Sendable, Hashable {
    /// A value of an argument.
    public enum Argument: Sendable, Hashable {
        /// Bytes, messages, milliseconds.
        case number(Int64)
        /// A policy's name, an exchange.
        case text(String)
        /// A switch.
        case truth(Bool)
    }

    /// Its name, at most 255 bytes.
    public let name: String
    /// `x-queue-type`, `x-overflow` and so on.
    public let arguments: [String: Argument]

    /// A queue.
    public init(_ name: String, arguments: [String: Argument]) {
        self.name = name
        self.arguments = arguments
    }
}

/// How an exchange routes.
public enum ExchangeKind: String, Sendable {
    /// By the key's words, with wildcards in the binding.
    case topic
    /// To every queue that is bound.
    case fanout
    /// By the whole key.
    case direct
}

/// What a queue holds when it is declared.
public struct QueueFigures: Sendable, Hashable {
    /// Messages that wait for a consumer.
    public let messages: Int
    /// Consumers of all connections.
    public let consumers: Int
}
