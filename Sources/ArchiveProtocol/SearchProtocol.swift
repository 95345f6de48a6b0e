public import FileModel
public import RPC
internal import SwiftProtobuf

/// `pasarela.v1.SearchService`: what the gateway asks mserv2, in the terms of `FileModel`.
public enum SearchProtocol {
    /// The service's full name, as the health service knows it.
    public static let serviceName = "pasarela.v1.SearchService"
    static let page = "/\(serviceName)/SearchNames"
    static let stream = "/\(serviceName)/StreamNames"

    /// Asks for one page of hits.
    ///
    /// - Parameter text: what to look for, as typed; nil: everything that passes the query's filters.
    /// - Throws: ``RPCError``: the daemon's, or `unavailable`, `deadlineExceeded`, `internalError` on the way.
    public static func page(
        _ query: EntryQuery, text: String?, _ request: PageRequest, from channel: RPCChannel,
        metadata: RPCMetadata, deadline: RPCDeadline, cancellation: RPCCancellation? = nil
    ) throws(RPCError) -> EntryPage {
        let message = Pasarela_V1_SearchNamesRequest.with { message in
            message.query = query.message
            if let text { message.text = text }
            message.limit = UInt32(request.limit)
            if let after = request.after { message.after = after.message }
        }
        let answer: Pasarela_V1_SearchNamesResponse = try decodeAnswer(
            try channel.call(
                page, try encode(message), metadata: metadata, deadline: deadline,
                cancellation: cancellation))
        return try EntryPage(
            entries: answer.entries, total: answer.total,
            next: answer.hasNext ? answer.next : nil, isComplete: answer.complete,
            notices: answer.notices)
    }

    /// Asks for all hits, piece by piece.
    ///
    /// - Parameters:
    ///   - text: what to look for, as typed; nil: everything that passes the query's filters.
    ///   - deadline: of the whole stream.
    ///   - patience: how long the daemon may take to take a connection.
    /// - Throws: ``RPCError`` where the daemon is not reached.
    public static func stream(
        _ query: EntryQuery, text: String?, in order: StreamOrder, from channel: RPCChannel,
        metadata: RPCMetadata, deadline: RPCDeadline, patience: Duration = .seconds(10),
        cancellation: RPCCancellation? = nil
    ) throws(RPCError) -> EntryStream {
        let message = Pasarela_V1_StreamNamesRequest.with { message in
            message.query = query.message(in: order)
            if let text { message.text = text }
            if let after = order.after { message.after = after }
        }
        let stream = try channel.open(
            self.stream, try encode(message), metadata: metadata, deadline: deadline,
            patience: patience, cancellation: cancellation)
        return EntryStream(stream) { (bytes) throws(RPCError) in
            let piece: Pasarela_V1_StreamNamesResponse = try decodeAnswer(bytes)
            guard piece.hasEnd else {
                return .entries(try EntryBatch(answered: piece.entries), isOfOneEntry: false)
            }
            return .end(
                StreamEnd(isComplete: piece.end.complete, answered: piece.end.notices),
                count: piece.end.count)
        }
    }

    /// The service, answered by two functions. `stream` sends pieces until `send` returns false.
    public static func handlers(
        page answer:
            @escaping @Sendable (
                RPCServerCall, EntryQuery, NameQuery?, PageRequest
            ) throws(RPCError) -> EntryPage,
        stream:
            @escaping @Sendable (
                RPCServerCall, EntryQuery, NameQuery?, StreamOrder,
                @escaping (EntryBatch) -> Bool
            ) throws(RPCError) -> StreamEnd
    ) -> [String: RPCHandler] {
        [
            page: .unary { (call, bytes) throws(RPCError) in
                let message: Pasarela_V1_SearchNamesRequest = try decode(bytes)
                let page = try answer(
                    call, try EntryQuery(message.query),
                    try nameQuery(message.hasText ? message.text : nil),
                    try PageRequest(
                        limit: message.limit, after: message.hasAfter ? message.after : nil))
                return try encode(
                    Pasarela_V1_SearchNamesResponse.with { message in
                        message.entries = page.entries.message
                        message.total = page.total.message
                        if let next = page.next { message.next = next.message }
                        message.complete = page.isComplete
                        message.notices = page.notices.map(\.message)
                    })
            },
            self.stream: .serverStreaming { (call, bytes, writer) throws(RPCError) in
                let message: Pasarela_V1_StreamNamesRequest = try decode(bytes)
                let query = try EntryQuery(message.query)
                let order = try StreamOrder(
                    message.query, after: message.hasAfter ? message.after : nil)
                let text = try nameQuery(message.hasText ? message.text : nil)
                try sendPieces(to: writer) { (send) throws(RPCError) in
                    try stream(call, query, text, order, { send($0, false) })
                } piece: { (batch, _) in
                    Pasarela_V1_StreamNamesResponse.with { $0.entries = batch.message }
                } end: { count, end in
                    Pasarela_V1_StreamNamesResponse.with { message in
                        message.end.count = count
                        message.end.complete = end.isComplete
                        message.end.notices = end.notices.map(\.message)
                    }
                }
            },
        ]
    }

    private static func nameQuery(_ text: String?) throws(RPCError) -> NameQuery? {
        guard let text else { return nil }
        guard text.utf8.count <= NameQuery.byteCountMax else {
            throw .invalid("text: over \(NameQuery.byteCountMax) bytes")
        }
        do {
            return try NameQuery(text)
        } catch {
            let place = error.column.map { " at \($0)" } ?? ""
            throw .invalid("text: \(error.reason)\(place)")
        }
    }
}
