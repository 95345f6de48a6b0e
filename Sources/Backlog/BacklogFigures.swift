/// How the connection to RabbitMQ stands.
public enum BrokerState: Sendable, Hashable {
    /// None is configured.
    case none
    /// Tickets are published and consumed.
    case connected
    /// They are not; one line says why.
    case disconnected(String)
}

/// How the database stands.
public enum StoreState: Sendable, Hashable {
    /// It takes what it is given.
    case open
    /// The disk took nothing the last time that something was to be kept; one line says why. It is tried again every
    /// second. That a bound of the backlog is reached is not meant: see `BacklogFigures.refused`.
    case full(String)
    /// It can't be read or opened; one line says why. It is tried again every second. Once damage was met it stays so
    /// until the next start, though what can be read is read.
    case broken(String)
}

/// What the operator sees of the backlog. Counts are since the start, the rest is as of the last commit.
public struct BacklogFigures: Sendable, Hashable {
    /// Own tickets that wait, by service; every configured service is there.
    public var waiting: [String: Int] = [:]
    /// When the oldest of them was accepted, in milliseconds since 1970; nil where none waits.
    public var oldestWaiting: Int64?
    /// Requests, answers, the place kept for answers to come, and a fixed number of bytes for each ticket; those of
    /// other gateways, too.
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
    /// How the database stands.
    public var storeState = StoreState.open
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
