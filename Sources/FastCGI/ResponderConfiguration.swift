/// The bounds of a `Responder`.
public struct ResponderConfiguration: Sendable, Equatable {
    /// Threads that answer requests, hence how many are answered at once; 1…1,024. Default 64.
    public var workers: Int
    /// Open connections, idle ones included; at least 1. Default 1,024.
    ///
    /// When it is reached, a new connection costs the one that has been idle longest its place;
    /// while none is idle the new one waits in the listening socket's queue. A connection that has
    /// not sent a byte yet counts as idle only after `readTimeout`.
    public var connectionsMax: Int
    /// How long a request may take from its first bytes to its last; it is noticed when the next
    /// bytes come, or after as much again. Default 10 s.
    public var readTimeout: Duration
    /// How long one write of an answer may wait for the web server to take bytes. Default 10 s.
    public var writeTimeout: Duration
    /// The same for an answer that is written piece by piece. Default 60 s.
    ///
    /// A web server takes nothing from here while what it has taken waits for its own client: with the buffers of nginx
    /// and Linux that comes in steps of more than a megabyte, which a slow reader needs a while for.
    public var streamWriteTimeout = Duration.seconds(60)
    /// Request body bytes that are read (and dropped) to keep a connection in step.
    ///
    /// A longer body ends the connection without an answer. Default 64 MiB.
    public var bodyBytesMax: Int
    /// The stack of each worker, in bytes; the handler runs on it. Default 1 MiB.
    public var stackBytes: Int
    /// The name of the worker threads, with a number after it. Default `fastcgi`.
    ///
    /// Linux shows 15 bytes of it.
    public var threadName: String
    /// The users whose connections are taken, by id; nil, the default: all. For Unix sockets only.
    public var peers: Set<UInt32>?

    /// The defaults are right for one machine behind one nginx.
    public init(
        workers: Int = 64, connectionsMax: Int = 1_024, readTimeout: Duration = .seconds(10),
        writeTimeout: Duration = .seconds(10), bodyBytesMax: Int = 64 << 20,
        stackBytes: Int = 1 << 20, threadName: String = "fastcgi"
    ) {
        precondition((1...1_024).contains(workers), "workers: 1…1,024")
        precondition(connectionsMax >= 1, "connectionsMax: at least 1")
        precondition(readTimeout > .zero && writeTimeout > .zero, "a time-out of 0 means none")
        precondition(bodyBytesMax >= 0, "bodyBytesMax: not negative")
        precondition(stackBytes >= 64 << 10, "stackBytes: at least 64 KiB")
        self.workers = workers
        self.connectionsMax = connectionsMax
        self.readTimeout = readTimeout
        self.writeTimeout = writeTimeout
        self.bodyBytesMax = bodyBytesMax
        self.stackBytes = stackBytes
        self.threadName = threadName
    }
}
