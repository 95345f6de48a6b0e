import Backlog
import RPC
import SwiftProtobuf

/// Asks the running gateway about its tickets.
struct BacklogClient: Sendable {
    /// A ticket, and what its client is given where it has ended.
    struct Details: Sendable {
        let ticket: Ticket
        let answer: Answer?

        /// What is kept of a ticket that has ended.
        struct Answer: Sendable, Hashable {
            /// Path and query of the request; empty where they could not be read.
            let target: String
            /// The request's id, by which the logs know it.
            let requestID: String
            /// The HTTP status; 0 where it could not be read.
            let status: Int
            /// The problem's code and what is wrong, where it is one.
            let problem: String
            let detail: String
        }
    }

    private let channel: RPCChannel

    /// How long an answer may take.
    static let deadline = Duration.seconds(10)

    /// - Parameter path: of the gateway's control socket, 1…107 bytes.
    init(path: String) {
        channel = RPCChannel(unixSocket: path)
    }

    /// Tickets, oldest first.
    ///
    /// - Parameters:
    ///   - state: only these; nil: all.
    ///   - after: those behind this one; nil: from the oldest on.
    ///   - limit: how many, 1 or more.
    func list(
        state: TicketState?, after: TicketID?, limit: Int
    ) throws(RPCError) -> (tickets: [Ticket], hasMore: Bool) {
        var tickets: [Ticket] = []
        while true {
            let left = min(limit - tickets.count, BacklogProtocol.ticketsMax)
            let last = tickets.last?.id ?? after
            let page: Pasarela_Administration_V1_ListTicketsResponse = try ask(
                BacklogProtocol.list,
                Pasarela_Administration_V1_ListTicketsRequest.with {
                    $0.state = state?.message ?? .unspecified
                    $0.after = last?.description ?? ""
                    $0.limit = UInt32(left)
                })
            for ticket in page.tickets { tickets.append(try Ticket(ticket)) }
            guard page.hasMore_p, !page.tickets.isEmpty, tickets.count < limit else {
                return (tickets, page.hasMore_p)
            }
        }
    }

    /// One ticket.
    ///
    /// - Throws: `notFound` for one that there is not.
    func details(_ id: TicketID) throws(RPCError) -> Details {
        let found: Pasarela_Administration_V1_GetTicketResponse = try ask(
            BacklogProtocol.get,
            Pasarela_Administration_V1_GetTicketRequest.with { $0.id = id.description })
        var answer: Details.Answer?
        if found.hasAnswer {
            answer = Details.Answer(
                target: found.answer.target, requestID: found.answer.requestID,
                status: Int(found.answer.status), problem: found.answer.problem,
                detail: found.answer.detail)
        }
        return Details(ticket: try Ticket(found.ticket), answer: answer)
    }

    /// Has a ticket tried again at once.
    ///
    /// - Throws: `notFound`; `failedPrecondition` for one that has been answered, or has expired.
    func retry(_ id: TicketID) throws(RPCError) {
        let _: Pasarela_Administration_V1_RetryTicketResponse = try ask(
            BacklogProtocol.retry,
            Pasarela_Administration_V1_RetryTicketRequest.with { $0.id = id.description })
    }

    /// Forgets all tickets in some states.
    ///
    /// - Returns: how many there were.
    func purge(_ states: Set<TicketState>) throws(RPCError) -> Int {
        let answer: Pasarela_Administration_V1_PurgeTicketsResponse = try ask(
            BacklogProtocol.purge,
            Pasarela_Administration_V1_PurgeTicketsRequest.with {
                $0.states = states.map(\.message)
            })
        return Int(clamping: answer.count)
    }

    private func ask<Answer: Message>(
        _ method: String, _ request: some Message
    ) throws(RPCError) -> Answer {
        let bytes = try channel.call(
            method, try BacklogProtocol.encode(request),
            deadline: RPCDeadline(after: Self.deadline))
        return try BacklogProtocol.decode(bytes)
    }
}
