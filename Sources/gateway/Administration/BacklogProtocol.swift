import Backlog
import RPC
import SwiftProtobuf

/// `pasarela.administration.v1.BacklogService`: what the operator's commands ask the running gateway.
enum BacklogProtocol {
    static let serviceName = "pasarela.administration.v1.BacklogService"
    static let list = "/\(serviceName)/ListTickets"
    static let get = "/\(serviceName)/GetTicket"
    static let retry = "/\(serviceName)/RetryTicket"
    static let purge = "/\(serviceName)/PurgeTickets"

    /// Tickets of one answer: fewer than the backlog gives at once, so that one more can be asked for.
    static let ticketsMax = 500

    /// The service, answered from a backlog.
    static func handlers(for backlog: Backlog) -> [String: RPCHandler] {
        [
            list: .unary { (_, bytes) throws(RPCError) in
                try encode(list(from: backlog, try decode(bytes)))
            },
            get: .unary { (_, bytes) throws(RPCError) in
                try encode(get(from: backlog, try decode(bytes)))
            },
            retry: .unary { (_, bytes) throws(RPCError) in
                try encode(retry(in: backlog, try decode(bytes)))
            },
            purge: .unary { (_, bytes) throws(RPCError) in
                try encode(purge(backlog, try decode(bytes)))
            },
        ]
    }

    private static func list(
        from backlog: Backlog, _ request: Pasarela_Administration_V1_ListTicketsRequest
    ) throws(RPCError) -> Pasarela_Administration_V1_ListTicketsResponse {
        guard request.limit <= ticketsMax else {
            throw RPCError(.invalidArgument, "limit: at most \(ticketsMax)")
        }
        let limit = request.limit == 0 ? ticketsMax : Int(request.limit)
        let state = request.state == .unspecified ? nil : try TicketState(request.state)
        let after = request.after.isEmpty ? nil : try id(request.after)
        // One more than asked for tells whether there are more.
        let tickets = try asking { () throws(BacklogError) in
            try backlog.list(state: state, after: after, limit: limit + 1)
        }
        return .with {
            $0.tickets = tickets.prefix(limit).map(\.message)
            $0.hasMore_p = tickets.count > limit
        }
    }

    private static func get(
        from backlog: Backlog, _ request: Pasarela_Administration_V1_GetTicketRequest
    ) throws(RPCError) -> Pasarela_Administration_V1_GetTicketResponse {
        let id = try id(request.id)
        let ticket = try find(id, in: backlog)
        let asked = try asking { () throws(BacklogError) in try backlog.request(id) }
        let kept = try asking { () throws(BacklogError) in try backlog.answer(id) }
        return .with {
            $0.ticket = ticket.message
            if let kept {
                $0.answer = .init(request: kept.request, answer: kept.answer)
            } else if let asked {
                $0.answer = .init(request: asked.request, answer: nil)
            }
        }
    }

    private static func retry(
        in backlog: Backlog, _ request: Pasarela_Administration_V1_RetryTicketRequest
    ) throws(RPCError) -> Pasarela_Administration_V1_RetryTicketResponse {
        let id = try id(request.id)
        if try asking({ () throws(BacklogError) in try backlog.retry(id) }) { return .init() }
        let ticket = try find(id, in: backlog)
        // One that waits without a pause is tried as soon as its daemon is there: as it was asked for.
        guard ticket.state == .waiting else {
            throw RPCError(
                .failedPrecondition, "ticket \(id) is \(ticket.state.rawValue): nothing to retry")
        }
        return .init()
    }

    private static func purge(
        _ backlog: Backlog, _ request: Pasarela_Administration_V1_PurgeTicketsRequest
    ) throws(RPCError) -> Pasarela_Administration_V1_PurgeTicketsResponse {
        guard !request.states.isEmpty else { throw RPCError(.invalidArgument, "no state is given") }
        var states: Set<TicketState> = []
        for state in request.states { states.insert(try TicketState(state)) }
        let count = try asking { [states] () throws(BacklogError) in try backlog.purge(states) }
        return .with { $0.count = UInt64(count) }
    }

    private static func id(_ text: String) throws(RPCError) -> TicketID {
        guard let id = TicketID(text) else {
            throw RPCError(.invalidArgument, "a ticket's id has 32 lower-case hex digits")
        }
        return id
    }

    private static func find(_ id: TicketID, in backlog: Backlog) throws(RPCError) -> Ticket {
        guard let ticket = try asking({ () throws(BacklogError) in try backlog.ticket(id) }) else {
            throw RPCError(.notFound, "there is no ticket \(id)")
        }
        return ticket
    }

    /// Asks the backlog; its errors become gRPC's.
    private static func asking<Answer>(
        _ body: () throws(BacklogError) -> Answer
    ) throws(RPCError) -> Answer {
        do throws(BacklogError) {
            return try body()
        } catch {
            switch error.code {
            case .full: throw RPCError(.resourceExhausted, error.message)
            case .broken: throw RPCError(.internalError, error.message)
            case .stopped: throw RPCError(.unavailable, error.message)
            }
        }
    }

    static func encode(_ message: some Message) throws(RPCError) -> [UInt8] {
        do {
            return try message.serializedBytes()
        } catch {
            throw RPCError(.internalError, "a message that can not be written: \(error)")
        }
    }

    static func decode<Decoded: Message>(_ bytes: [UInt8]) throws(RPCError) -> Decoded {
        do {
            return try Decoded(serializedBytes: bytes)
        } catch {
            throw RPCError(.invalidArgument, "a message that can not be read")
        }
    }
}
