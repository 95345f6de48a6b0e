public import FileModel
public import RPC
internal import SwiftProtobuf

/// `pasarela.v1.ListingService`: what the gateway asks mserv1, in the terms of `FileModel`.
public enum ListingProtocol {
    /// The service's full name, as the health service knows it.
    public static let serviceName = "pasarela.v1.ListingService"
    static let page = "/\(serviceName)/ListFolder"
    static let stream = "/\(serviceName)/StreamFolder"

    /// Asks for one page.
    ///
    /// - Throws: ``RPCError``: the daemon's, or `unavailable`, `deadlineExceeded`, `internalError` on the way.
    public static func page(
        _ query: EntryQuery, _ request: PageRequest, from channel: RPCChannel,
        metadata: RPCMetadata, deadline: RPCDeadline, cancellation: RPCCancellation? = nil
    ) throws(RPCError) -> EntryPage {
        let message = Pasarela_V1_ListFolderRequest.with { message in
            message.query = query.message
            message.limit = UInt32(request.limit)
            if let after = request.after { message.after = after.message }
        }
        let answer: Pasarela_V1_ListFolderResponse = try decodeAnswer(
            try channel.call(
                self.page, try encode(message), metadata: metadata, deadline: deadline,
                cancellation: cancellation))
        var page = try EntryPage(
            entries: answer.entries, total: answer.total,
            next: answer.hasNext ? answer.next : nil, isComplete: answer.complete,
            notices: answer.notices)
        page.isOfOneEntry = answer.isOfOneEntry
        return page
    }

    /// Asks for a whole folder, piece by piece.
    ///
    /// - Parameters:
    ///   - deadline: of the whole stream.
    ///   - patience: how long the daemon may take to take a connection.
    /// - Throws: ``RPCError`` where the daemon is not reached.
    public static func stream(
        _ query: EntryQuery, in order: StreamOrder, from channel: RPCChannel,
        metadata: RPCMetadata, deadline: RPCDeadline, patience: Duration = .seconds(10),
        cancellation: RPCCancellation? = nil
    ) throws(RPCError) -> EntryStream {
        let message = Pasarela_V1_StreamFolderRequest.with { message in
            message.query = query.message(in: order)
            if let after = order.after { message.after = after }
        }
        let stream = try channel.open(
            self.stream, try encode(message), metadata: metadata, deadline: deadline,
            patience: patience, cancellation: cancellation)
        return EntryStream(stream) { (bytes) throws(RPCError) in
            let piece: Pasarela_V1_StreamFolderResponse = try decodeAnswer(bytes)
            guard piece.hasEnd else {
                return .entries(
                    try EntryBatch(answered: piece.entries), isOfOneEntry: piece.isOfOneEntry)
            }
            return .end(
                StreamEnd(isComplete: piece.end.complete, answered: piece.end.notices),
                count: piece.end.count)
        }
    }

    /// The service, answered by two functions. `stream` sends pieces until `send` returns false; the second thing it tells
    /// `send` is whether the piece is the one entry that the path leads to.
    public static func handlers(
        page answer:
            @escaping @Sendable (RPCServerCall, EntryQuery, PageRequest) throws(RPCError) ->
            EntryPage,
        stream:
            @escaping @Sendable (
                RPCServerCall, EntryQuery, StreamOrder, @escaping (EntryBatch, Bool) -> Bool
            ) throws(RPCError) -> StreamEnd
    ) -> [String: RPCHandler] {
        [
            page: .unary { (call, bytes) throws(RPCError) in
                let message: Pasarela_V1_ListFolderRequest = try decode(bytes)
                let page = try answer(
                    call, try EntryQuery(message.query),
                    try PageRequest(
                        limit: message.limit, after: message.hasAfter ? message.after : nil))
                return try encode(
                    Pasarela_V1_ListFolderResponse.with { message in
                        message.entries = page.entries.message
                        message.total = page.total.message
                        if let next = page.next { message.next = next.message }
                        message.complete = page.isComplete
                        message.notices = page.notices.map(\.message)
                        message.isOfOneEntry = page.isOfOneEntry
                    })
            },
            self.stream: .serverStreaming { (call, bytes, writer) throws(RPCError) in
                let message: Pasarela_V1_StreamFolderRequest = try decode(bytes)
                let query = try EntryQuery(message.query)
                let order = try StreamOrder(
                    message.query, after: message.hasAfter ? message.after : nil)
                try sendPieces(to: writer) { (send) throws(RPCError) in
                    try stream(call, query, order, send)
                } piece: { (batch, isOfOneEntry) in
                    Pasarela_V1_StreamFolderResponse.with { message in
                        message.entries = batch.message
                        message.isOfOneEntry = isOfOneEntry
                    }
                } end: { count, end in
                    Pasarela_V1_StreamFolderResponse.with { message in
                        message.end.count = count
                        message.end.complete = end.isComplete
                        message.end.notices = end.notices.map(\.message)
                    }
                }
            },
        ]
    }
}
