internal import Foundation
internal import SwiftProtobuf

/// The one place where news are messages.
extension TicketNews {
    /// Revisions and times: whatever is done to them later, it is still a number.
    private static let numbers: ClosedRange<Int64> = 0...(1 << 53)
    /// All that reaches a gateway of a request fits one FastCGI record of 64 KiB.
    private static let requestBytesMax = 128 << 10

    /// Reads a message; nil where it breaks the proto's rules.
    init?(message: [UInt8]) {
        // What can't be read is nothing to keep, whatever the reason.
        guard let read = try? Pasarela_Backlog_V1_TicketNews(serializedBytes: message),
            let id = TicketID(bytes: read.id), let state = TicketState(message: read.state),
            !read.service.isEmpty, Self.numbers.contains(read.revision),
            Self.numbers.contains(read.created), Self.numbers.contains(read.expires),
            Self.numbers.contains(read.changed), read.round < 1 << 30, read.failures < 1 << 30,
            read.request.count <= Self.requestBytesMax
        else { return nil }
        let hasAnswer = state == .answered || state == .failed
        guard hasAnswer == read.hasAnswer else { return nil }
        self.init(
            id: id, owner: GatewayID(number: read.owner), service: read.service, state: state,
            round: Int(read.round), created: read.created, expires: read.expires,
            changed: read.hasChanged ? read.changed : nil, failures: Int(read.failures),
            revision: read.revision, request: [UInt8](read.request),
            answer: hasAnswer ? [UInt8](read.answer) : nil)
    }

    /// As a message; nil for expired ones, which nobody tells.
    var message: [UInt8]? {
        guard let told = Pasarela_Backlog_V1_TicketState(state) else { return nil }
        let message = Pasarela_Backlog_V1_TicketNews.with { message in
            message.id = Data(id.bytes)
            message.owner = owner.number
            message.service = service
            message.state = told
            message.round = UInt32(clamping: round)
            message.created = created
            message.expires = expires
            if let changed { message.changed = changed }
            message.failures = UInt32(clamping: failures)
            message.revision = revision
            message.request = Data(request)
            if state == .answered || state == .failed { message.answer = Data(answer ?? []) }
        }
        // It can fail only for more than 2 GiB, which no ticket may have.
        return try? message.serializedBytes()
    }
}

extension TicketState {
    fileprivate init?(message: Pasarela_Backlog_V1_TicketState) {
        switch message {
        case .waiting: self = .waiting
        case .answered: self = .answered
        case .failed: self = .failed
        case .deleted: self = .deleted
        case .unspecified, .UNRECOGNIZED: return nil
        }
    }
}

extension Pasarela_Backlog_V1_TicketState {
    fileprivate init?(_ state: TicketState) {
        switch state {
        case .waiting: self = .waiting
        case .answered: self = .answered
        case .failed: self = .failed
        case .deleted: self = .deleted
        case .expired: return nil
        }
    }
}
