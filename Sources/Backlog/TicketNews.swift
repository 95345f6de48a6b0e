/// What gateways of a tree tell each other about a ticket: all of it, so that whoever hears it first can keep it.
struct TicketNews: Sendable, Hashable {
    var id: TicketID
    /// The gateway that accepted it.
    var owner: GatewayID
    var service: String
    var state: TicketState
    /// Grows by one with each `Backlog.retry`, which alone takes a ticket back to waiting.
    var round: Int
    /// Milliseconds since 1970, as all times here.
    var created: Int64
    /// Until when it waits, or its answer is kept.
    var expires: Int64
    /// When it was answered, failed or deleted; nil while it waits.
    var changed: Int64?
    /// Failures counted so far, by whoever knows of most.
    var failures: Int
    /// The teller's number of this change: what is confirmed is told only while it is still the same.
    var revision: Int64
    /// Empty once it is deleted.
    var request: [UInt8]
    /// Of an answered or failed one.
    var answer: [UInt8]?
}
