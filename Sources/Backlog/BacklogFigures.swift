/// How the connection to RabbitMQ stands.
public enum BrokerState: Sendable, Hashable {
    /// None is configured.
    case none
    /// Tickets are published and consumed.
    case connected
    /// They are not; one line says why.
    case disconnected(String)
}

/// What the operator sees of the backlog. Counts are since the start, the rest is as of the last commit.
public struct BacklogFigures: Sendable, Hashable {
    /// Own tickets that wait, by service; every configured service is there.
    public var waiting: [String: Int] = [:]
    /// When the oldest of them was accepted, in milliseconds since 1970; nil where none waits.
    public var oldestWaiting: Int64?
    /// Requests, answers, and a fixed number of bytes for each ticket; those of other gateways, too.
    public var storedBytes = 0
    /// Tickets accepted here.
    public var accepted = 0
    /// Own tickets answered here.
    public var replayed = 0
    /// Own tickets answered by other gateways.
    public var helped = 0
    /// Tickets of other gateways answered here.
    public var helping = 0
    /// Own tickets that ended as failed.
    public var failed = 0
    /// Own tickets that expired while they waited.
    public var expired = 0
    /// Tickets deleted here.
    public var deleted = 0
    /// Requests refused because a bound was reached or the disk was full.
    public var refused = 0
    /// News of other gateways not kept because a bound was reached or their time was over.
    public var dropped = 0
    /// How the broker stands.
    public var brokerState = BrokerState.none
    /// Messages that the broker confirmed.
    public var confirmed = 0
    /// Messages that it returned: no queue took them.
    public var returned = 0
    /// Messages that it rejected: a queue was full.
    public var rejected = 0
    /// Changes that other gateways have not heard of yet (the outbox).
    public var unannounced = 0

    /// All zero.
    public init() {}
}
