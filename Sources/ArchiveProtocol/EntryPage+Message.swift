internal import FileModel
internal import Foundation
internal import RPC
internal import SwiftProtobuf

extension RPCError {
    /// An answer that no daemon of ours sends.
    static func unreadable(_ what: String) -> RPCError {
        RPCError(.internalError, "an answer that can not be read: \(what)")
    }
}

extension EntryPage {
    /// A page from the fields that the two answers share.
    init(
        entries: Pasarela_V1_EntryColumns, total: Pasarela_V1_Total, next: Pasarela_V1_Position?,
        isComplete: Bool, notices: [Pasarela_V1_Notice]
    ) throws(RPCError) {
        let batch = try EntryBatch(answered: entries)
        let place: ListPosition?
        do {
            place = try next.map(ListPosition.init(message:))
        } catch {
            throw .unreadable(error.message)
        }
        self.init(
            entries: batch,
            total: Total(value: Int(clamping: total.value), isExact: total.exact),
            next: place, isComplete: isComplete,
            notices: notices.map(Notice.init(message:)))
    }
}

extension Total {
    /// The total as a message.
    var message: Pasarela_V1_Total {
        .with { message in
            message.value = UInt64(clamping: value)
            message.exact = isExact
        }
    }
}

extension Notice {
    /// A notice from a message; a code of a newer daemon is read as a failure to read.
    init(message: Pasarela_V1_Notice) {
        let code = UInt8(exactly: message.code.rawValue).flatMap(Code.init(rawValue:))
        self.init(code ?? .readError, path: message.hasPath ? Array(message.path) : nil)
    }

    /// The notice as a message.
    var message: Pasarela_V1_Notice {
        .with { message in
            message.code = Pasarela_V1_NoticeCode(rawValue: Int(code.rawValue)) ?? .unspecified
            if let path { message.path = Data(path) }
        }
    }
}

extension EntryBatch {
    /// Columns of an answer.
    init(answered message: Pasarela_V1_EntryColumns) throws(RPCError) {
        do {
            try self.init(message)
        } catch {
            throw .unreadable(error.message)
        }
    }
}

extension StreamEnd {
    /// An end from a message's fields.
    init(isComplete: Bool, answered notices: [Pasarela_V1_Notice]) {
        self.init(isComplete: isComplete, notices: notices.map(Notice.init(message:)))
    }
}
