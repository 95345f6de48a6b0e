/// The bounds of a server.
public struct RPCServerConfiguration: Sendable {
    /// How the threads are called (`top -H`, the journal); 10 bytes are kept.
    public var name: String
    /// How many unary calls are carried out at once, 1 or more. Further ones wait their turn.
    public var unaryThreads: Int
    /// How many streaming calls are carried out at once, 1 or more. A further one is refused.
    public var streamThreads: Int
    /// The longest request that is taken, in bytes; a longer one ends as `resourceExhausted`.
    public var requestBytesMax: Int
    /// The longest message that a handler may answer, in bytes; a longer one ends as
    /// `resourceExhausted`.
    public var answerBytesMax: Int
    /// How long a client may leave the end of its answer unread before its call is cancelled: a
    /// thread waits that long.
    public var answerPatience: Duration
    /// The users whose connections are taken, by id; nil: all.
    public var peers: Set<UInt32>?
    /// Told of each connection that was closed because its user is none of ``peers``. Must not block.
    public var refused: @Sendable (UInt32) -> Void

    /// The defaults serve a daemon of this project; gRPC's own message limit is 4 MiB.
    public init(
        name: String = "rpc", unaryThreads: Int = 8, streamThreads: Int = 8,
        requestBytesMax: Int = 4 * 1024 * 1024, answerBytesMax: Int = 4 * 1024 * 1024,
        answerPatience: Duration = .seconds(5), peers: Set<UInt32>? = nil,
        refused: @escaping @Sendable (UInt32) -> Void = { _ in }
    ) {
        self.name = name
        self.unaryThreads = unaryThreads
        self.streamThreads = streamThreads
        self.requestBytesMax = requestBytesMax
        self.answerBytesMax = answerBytesMax
        self.answerPatience = answerPatience
        self.peers = peers
        self.refused = refused
    }
}
