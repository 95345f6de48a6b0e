/// Where a ticket stands. Of two states that gateways tell, the one that stands higher stays: waiting, failed, answered,
/// deleted. Only `Backlog.retry` takes a ticket back, from failed to waiting. Expired is each gateway's own finding.
public enum TicketState: String, Sendable, CaseIterable {
    /// Kept, not answered yet.
    case waiting
    /// Its answer is there to fetch.
    case answered
    /// Answered with a failure of the server too often; what was made of the last one is kept.
    case failed
    /// Forgotten on request. What it held is gone; only the id is remembered for a while.
    case deleted
    /// Its time was over. What it held is gone; only the id is remembered for a while.
    case expired
}

/// A kept request as its client and the operator see it. Times are milliseconds since 1970.
public struct Ticket: Sendable, Hashable {
    /// Its name.
    public let id: TicketID
    /// The daemon that can answer it.
    public let service: String
    /// As committed; `expired` as soon as the time is over.
    public let state: TicketState
    /// When it was accepted.
    public let created: Int64
    /// Until when it waits, or its answer is kept.
    public let expires: Int64
    /// When it was answered, failed or deleted; nil while it waits.
    public let changed: Int64?
    /// How often it was answered with a failure of the server, since it was accepted or retried.
    public let failures: Int
    /// This gateway accepted it.
    public let isOwn: Bool
    /// A daemon is working on it at this moment, called from here.
    public let isBeingProcessed: Bool
    /// The size of the kept request; 0 once it is dropped.
    public let requestBytes: Int
    /// The size of the kept answer; 0 where there is none.
    public let answerBytes: Int

    /// All of it, as given.
    public init(
        id: TicketID, service: String, state: TicketState, created: Int64, expires: Int64,
        changed: Int64?, failures: Int, isOwn: Bool, isBeingProcessed: Bool, requestBytes: Int,
        answerBytes: Int
    ) {
        self.id = id
        self.service = service
        self.state = state
        self.created = created
        self.expires = expires
        self.changed = changed
        self.failures = failures
        self.isOwn = isOwn
        self.isBeingProcessed = isBeingProcessed
        self.requestBytes = requestBytes
        self.answerBytes = answerBytes
    }
}
