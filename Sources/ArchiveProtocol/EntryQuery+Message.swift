internal import FileModel
internal import Foundation
internal import RPC
internal import SwiftProtobuf

extension RPCError {
    /// A request that no client of ours sends.
    static func invalid(_ what: String) -> RPCError {
        RPCError(.invalidArgument, what)
    }
}

extension EntryQuery {
    /// A query from a message.
    init(_ message: Pasarela_V1_EntryQuery) throws(RPCError) {
        let path: RelativePath
        do {
            path = try RelativePath(message.path)
        } catch {
            throw .invalid("path: \(error)")
        }
        let criterion: ListOrder.Criterion
        switch message.order {
        case .unspecified, .natural, .none: criterion = .natural
        case .name: criterion = .name
        case .UNRECOGNIZED(let value): throw .invalid("order: \(value)")
        }
        var kinds = EntryKinds()
        for kind in message.kinds {
            guard let raw = UInt8(exactly: kind.rawValue), let kind = EntryKind(rawValue: raw)
            else { throw .invalid("kinds: \(kind.rawValue)") }
            kinds.insert(EntryKinds(kind))
        }
        self.init(
            path: message.mustBeFolder ? path.demandingFolder : path,
            order: ListOrder(
                criterion, descending: message.descending,
                directoriesFirst: message.directoriesFirst),
            kinds: kinds.isEmpty ? .all : kinds, includesHidden: message.includeHidden)
    }

    /// The query as a message, for a stream.
    func message(in order: StreamOrder) -> Pasarela_V1_EntryQuery {
        var message = self.message
        if order == .unsorted { message.order = .none }
        return message
    }

    /// The query as a message.
    var message: Pasarela_V1_EntryQuery {
        .with { message in
            message.path = Data(path.bytes)
            message.order = order.criterion == .name ? .name : .natural
            message.descending = order.descending
            message.directoriesFirst = order.directoriesFirst
            if kinds != .all {
                message.kinds = EntryKind.allCases.filter { kinds.contains(kind: $0) }
                    .compactMap { Pasarela_V1_EntryKind(rawValue: Int($0.rawValue)) }
            }
            message.includeHidden = includesHidden
            message.mustBeFolder = path.mustBeFolder
        }
    }
}

extension PageRequest {
    /// Which page, from a message's fields.
    init(limit: UInt32, after: Pasarela_V1_Position?) throws(RPCError) {
        let limit = limit == 0 ? Self.defaultLimit : Int(limit)
        guard Self.limits.contains(limit) else { throw .invalid("limit: \(limit)") }
        self.init(limit: limit, after: try after.map(ListPosition.init(message:)))
    }
}

extension ListPosition {
    /// A place from a message.
    init(message: Pasarela_V1_Position) throws(RPCError) {
        let isName = (1...RelativePath.nameByteCountMax).contains(message.name.count)
        guard isName, !message.name.contains(0), !message.folder.contains(0),
            message.folder.count <= RelativePath.byteCountMax
        else { throw .invalid("after: no place in a list") }
        self.init(
            name: Array(message.name), folder: Array(message.folder),
            isDirectory: message.isDirectory)
    }

    /// The place as a message.
    var message: Pasarela_V1_Position {
        .with { message in
            message.name = Data(name)
            message.folder = Data(folder)
            message.isDirectory = isDirectory
        }
    }
}

extension StreamOrder {
    /// The order of a streamed query.
    init(
        _ query: Pasarela_V1_EntryQuery, after: Pasarela_V1_Position?
    ) throws(RPCError) {
        if query.order == .unspecified || query.order == .none {
            guard after == nil else { throw .invalid("after: without an order there is no place") }
            self = .unsorted
        } else {
            self = .sorted(after: try after.map(ListPosition.init(message:)))
        }
    }

    /// The place as a message.
    var after: Pasarela_V1_Position? {
        guard case .sorted(let after) = self else { return nil }
        return after?.message
    }
}
