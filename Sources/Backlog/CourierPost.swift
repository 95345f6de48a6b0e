/// What the courier asks of the backlog. `Backlog` hands it one; tests may give another.
///
/// Every call may come from any thread. Those that throw wait for a commit (milliseconds, seconds on a bad disk).
protocol CourierPost: Sendable {
    /// This gateway's name in the tree.
    var gatewayID: GatewayID { get }

    /// What others have not heard yet, oldest first, complete with bytes.
    ///
    /// - Parameter after: the mark of the last one seen, to pass over what can't be published now; nil: from the oldest.
    func outbox(
        after mark: Int64?, countMax: Int, bytesMax: Int
    ) throws(BacklogError) -> [OutboxItem]

    /// Blocks until there may be something in the outbox that has come since the last call, `monotonic` (nanoseconds of
    /// `CLOCK_MONOTONIC`) has passed, or `nudge` was called.
    func waitForOutbox(until monotonic: Int64)

    /// Ends the wait of `waitForOutbox` (the courier stops).
    func nudge()

    /// The broker has confirmed these revisions: told, where they are still the newest.
    func told(_ confirmed: [(id: TicketID, revision: Int64)]) throws(BacklogError)

    /// Keeps what other gateways tell, in one commit. When it returns all may be acknowledged; when it throws none.
    func merge(_ news: [TicketNews]) throws(BacklogError)

    /// A ticket of the work queue: merged, and processed while the service is well. Does not wait.
    ///
    /// - Parameter done: called exactly once, at once or on the store's thread: it must neither block nor call the post.
    ///   Where this throws (the backlog has stopped, or too much waits for the disk), never. Where the disk takes
    ///   nothing it is `.released`: do not requeue faster than a few times a second.
    func offer(
        _ news: TicketNews, done: @escaping @Sendable (OfferOutcome) -> Void
    ) throws(BacklogError)

    /// The deliveries of the work queues are void (the channel is gone): their `done` is called with `.released`, and
    /// those that nobody works on are not begun any more. Does not wait.
    func withdrawOffers()

    /// A dead letter. A failure was counted by the gateway that met it: what the broker says of why the message died
    /// is not sealed.
    ///
    /// - Returns: what to publish again under `ticket.SERVICE` before the dead letter is acknowledged; nil: the ticket
    ///   has ended, acknowledge only.
    func deadLetter(_ news: TicketNews) throws(BacklogError) -> TicketNews?

    /// Adds to the figures, and says how the broker stands.
    func report(_ change: (inout BrokerFigures) -> Void)
}

/// The part that speaks with the broker, as the backlog starts and stops it.
protocol TicketCourier: Sendable {
    /// Starts its threads; does not wait for the broker.
    func start() throws(BacklogError)
    /// Returns when they have ended; none of its calls to the post is under way then.
    func stop()
    /// What the gateway's health watch has seen: work queues are consumed only while their service is well. Must not
    /// block.
    func tell(_ service: String, isWell: Bool)
}

/// A change that others must hear.
struct OutboxItem: Sendable {
    /// Where it stands in the outbox, ascending.
    let mark: Int64
    let news: TicketNews
}

/// What became of an offered ticket.
enum OfferOutcome: Sendable, Hashable {
    /// It has ended and that is told, or needs no telling: acknowledge.
    case ended
    /// The daemon is gone, or the backlog stops: requeue.
    case released
    /// Answered with a server's failure: reject, so that it becomes a dead letter.
    case failedAttempt
}

/// The broker's part of `BacklogFigures`.
struct BrokerFigures: Sendable {
    var state = BrokerState.none
    var confirmed = 0
    var returned = 0
    var rejected = 0
}
