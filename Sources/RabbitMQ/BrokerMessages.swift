/// A message to publish: persistent, and given back by the broker (`mandatory`) if no queue takes it.
public struct OutgoingMessage: Sendable {
    /// The exchange that it goes to; the empty one routes to the queue named by the key.
    public var exchange: String
    /// At most 255 bytes, as every short text of AMQP.
    public var routingKey: String
    /// At most `bodyBytesMax`.
    public var body: [UInt8]
    /// A media type.
    public var contentType: String
    /// What the message is about.
    public var messageID: String
    /// Who publishes.
    public var applicationID: String
    /// How long it may lie in a queue; nil: as long as the queue lets it.
    public var expiration: Duration?

    /// The largest body that is published, and that a delivery carries.
    public static let bodyBytesMax = 64 << 20

    /// A message.
    public init(
        exchange: String, routingKey: String, body: [UInt8], contentType: String,
        messageID: String, applicationID: String, expiration: Duration? = nil
    ) {
        self.exchange = exchange
        self.routingKey = routingKey
        self.body = body
        self.contentType = contentType
        self.messageID = messageID
        self.applicationID = applicationID
        self.expiration = expiration
    }
}

/// What became of a published message.
public enum PublishOutcome: Sendable, Hashable {
    /// The broker has it: on the disks of most nodes, where the queue is a quorum queue.
    case confirmed
    /// The broker refused it: a queue is full, say. One of several queues may have it nevertheless.
    case rejected
    /// No queue is bound to its key; the broker's words.
    case returned(String)
    /// Nothing was heard of it within the deadline. It may or may not have arrived.
    case unconfirmed
}

/// A message that the broker has handed out to a consumer here, until it is acknowledged or rejected.
public struct Delivery: Sendable {
    /// Its number on this connection, ascending.
    public let tag: UInt64
    /// The consumer's tag, as given to `consume`.
    public let consumer: String
    /// The key that it was published with.
    public let routingKey: String
    /// Whether the broker handed it out before.
    public let isRedelivered: Bool
    /// Its content type, empty where there is none.
    public let contentType: String
    /// What the message is about, as its publisher says; empty where it does not.
    public let messageID: String
    /// Who published it, by their own word.
    public let applicationID: String
    /// Empty where it was longer than `OutgoingMessage.bodyBytesMax`.
    public let body: [UInt8]
}

/// What a consumer's wait ended with.
public enum ConsumerEvent: Sendable {
    /// A message.
    case delivery(Delivery)
    /// The broker ended the consumer with this tag: its queue was deleted, or its node went down.
    case cancelled(String)
    /// `WakeUp.signal` was called.
    case woken
    /// Time is over.
    case deadline
}
