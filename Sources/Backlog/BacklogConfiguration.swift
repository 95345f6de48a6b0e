public import RabbitMQ

/// What the backlog is to keep, for whom, and how much of it.
public struct BacklogConfiguration: Sendable {
    /// The folder of the database, which must exist; only one backlog at a time uses it.
    public var folder: String
    /// The daemons that tickets may be for. Waiting tickets of one that is no longer here stay until they expire.
    public var services: [String]
    /// How many tickets accepted here may wait; as many more of other gateways.
    public var ticketsMax: Int
    /// How many bytes all tickets may take: requests, answers, and `TicketLimits.rowBytes` for each.
    public var bytesMax: Int
    /// How often a ticket is answered with a server's failure before it ends as failed; at least 1.
    public var attemptsMax: Int
    /// How long a ticket waits.
    public var ticketLife: Duration
    /// How long its answer is kept.
    public var answerLife: Duration
    /// How long an expired or deleted ticket's id is remembered.
    public var traceLife: Duration
    /// How many tickets of a service are processed at once; at least 1.
    public var replayThreads: Int
    /// How many tickets of a service are processed a second at most; at least 1.
    public var replayRate: Int
    /// RabbitMQ and the tree that it is shared with; nil: SQLite alone.
    public var broker: BrokerSetup?

    /// What is not given has the default of `docs/http-api.md`.
    public init(
        folder: String, services: [String], ticketsMax: Int = 10_000,
        bytesMax: Int = 512 << 20, attemptsMax: Int = 5, ticketLife: Duration = .seconds(86_400),
        answerLife: Duration = .seconds(86_400), traceLife: Duration = .seconds(86_400),
        replayThreads: Int = 4, replayRate: Int = 500, broker: BrokerSetup? = nil
    ) {
        self.folder = folder
        self.services = services
        self.ticketsMax = ticketsMax
        self.bytesMax = bytesMax
        self.attemptsMax = attemptsMax
        self.ticketLife = ticketLife
        self.answerLife = answerLife
        self.traceLife = traceLife
        self.replayThreads = replayThreads
        self.replayRate = replayRate
        self.broker = broker
    }
}

/// How tickets are shared with the other gateways of a tree.
public struct BrokerSetup: Sendable {
    /// Where RabbitMQ is.
    public var configuration: BrokerConfiguration
    /// The name that all gateways which serve the same tree have in common.
    public var tree: String
    /// HMAC-SHA256 with the tree's key: 32 bytes. Called from several threads.
    public var mac: @Sendable ([UInt8]) -> [UInt8]

    /// All of it, as given.
    public init(
        configuration: BrokerConfiguration, tree: String,
        mac: @escaping @Sendable ([UInt8]) -> [UInt8]
    ) {
        self.configuration = configuration
        self.tree = tree
        self.mac = mac
    }
}
