import Backlog
import RPC
import SwiftProtobuf

// The one place where tickets and the messages about them are made from each other.

extension Ticket {
    /// The ticket as a message.
    var message: Pasarela_Administration_V1_Ticket {
        .with {
            $0.id = id.description
            $0.service = service
            $0.state = state.message
            $0.createdMs = created
            $0.expiresMs = expires
            if let changed { $0.changedMs = changed }
            $0.failures = UInt32(clamping: failures)
            $0.isOwn = isOwn
            $0.isBeingProcessed = isBeingProcessed
            $0.requestBytes = UInt64(clamping: requestBytes)
            $0.answerBytes = UInt64(clamping: answerBytes)
        }
    }

    /// The ticket of a message.
    ///
    /// - Throws: `internalError` where it is none: the gateway that sent it is of another version.
    init(_ message: Pasarela_Administration_V1_Ticket) throws(RPCError) {
        guard let id = TicketID(message.id) else {
            throw RPCError(.internalError, "a ticket's id that can not be read")
        }
        self.init(
            id: id, service: message.service, state: try TicketState(message.state),
            created: message.createdMs, expires: message.expiresMs,
            changed: message.hasChangedMs ? message.changedMs : nil,
            failures: Int(message.failures), isOwn: message.isOwn,
            isBeingProcessed: message.isBeingProcessed,
            requestBytes: Int(clamping: message.requestBytes),
            answerBytes: Int(clamping: message.answerBytes))
    }
}

extension TicketState {
    /// The state as a message tells it.
    var message: Pasarela_Administration_V1_TicketState {
        switch self {
        case .waiting: .waiting
        case .answered: .answered
        case .failed: .failed
        case .deleted: .deleted
        case .expired: .expired
        }
    }

    /// The state that a message tells.
    ///
    /// - Throws: `invalidArgument` where it is none.
    init(_ message: Pasarela_Administration_V1_TicketState) throws(RPCError) {
        switch message {
        case .waiting: self = .waiting
        case .answered: self = .answered
        case .failed: self = .failed
        case .deleted: self = .deleted
        case .expired: self = .expired
        case .unspecified, .UNRECOGNIZED:
            throw RPCError(.invalidArgument, "a state that there is not")
        }
    }
}

extension Pasarela_Administration_V1_KeptAnswer {
    /// What the operator is told of a kept request and, where there is one, of its answer. What can't be read is left out.
    init(request: [UInt8], answer: [UInt8]?) {
        self.init()
        // Bytes of a later version are the ticket's matter, not this list's.
        if let kept = try? KeptRequest(request) {
            target = kept.request.target
            requestID = kept.identity.id
        }
        if let kept = answer.flatMap({ try? KeptAnswer($0) }) {
            status = UInt32(clamping: kept.answer.status)
            if let found = kept.problem {
                problem = found.code.rawValue
                detail = found.detail[.english]
            }
        }
    }
}
