public import FileModel
public import RPC
internal import SwiftProtobuf

/// How a stream ended: whether all that belongs to it was sent, and why not.
public struct StreamEnd: Sendable, Hashable {
    /// Whether all that belongs to the list was seen.
    public let isComplete: Bool
    /// Why not.
    public let notices: [Notice]

    /// An end.
    public init(isComplete: Bool, notices: [Notice]) {
        self.isComplete = isComplete
        self.notices = notices
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

/// One message of a stream.
public enum StreamPiece: Sendable {
    /// Entries; `isOfOneEntry`: the path asked for is no folder, this is its own entry.
    case entries(EntryBatch, isOfOneEntry: Bool)
    /// The last one, with the number of entries sent.
    case end(StreamEnd, count: UInt64)
}

/// A list that is being streamed: its pieces, taken one by one by one thread. Let go of before its end, it is cancelled.
public final class EntryStream {
    private let stream: RPCStream
    private let decode: ([UInt8]) throws(RPCError) -> StreamPiece
    private var count: UInt64 = 0

    init(_ stream: RPCStream, _ decode: @escaping ([UInt8]) throws(RPCError) -> StreamPiece) {
        self.stream = stream
        self.decode = decode
    }

    /// The next piece. After the end there is none to ask for.
    ///
    /// - Parameter silence: how long the daemon may say nothing.
    /// - Throws: ``RPCError``: the daemon's; `internalError` where it ended without an end, or lost something on the way.
    public func next(within silence: Duration) throws(RPCError) -> StreamPiece {
        guard let message = try stream.next(within: silence) else {
            throw .unreadable("a stream without its end")
        }
        let piece = try decode(message)
        switch piece {
        case .entries(let entries, _):
            count += UInt64(entries.count)
        case .end(_, let sent):
            guard sent == count else {
                throw .unreadable("a stream of \(sent) entries of which \(count) came")
            }
            // How the call itself ended counts, too.
            guard try stream.next(within: silence) == nil else {
                throw .unreadable("a stream that goes on after its end")
            }
        }
        return piece
    }

    /// Gives up what is left.
    public func cancel() {
        stream.cancel()
    }
}

@available(*, unavailable)
extension EntryStream: Sendable {}

/// Sends what `produce` gives as messages, then the end with its count.
///
/// A client that is gone ends the production, and its error is thrown.
func sendPieces<Piece: Message>(
    to writer: RPCMessageWriter,
    _ produce: (@escaping (EntryBatch, Bool) -> Bool) throws(RPCError) -> StreamEnd,
    piece: @escaping (EntryBatch, Bool) -> Piece, end: (UInt64, StreamEnd) -> Piece
) throws(RPCError) {
    var count: UInt64 = 0
    var failure: RPCError?
    let produced = try produce { (batch, isOfOneEntry) in
        do throws(RPCError) {
            try writer.send(try encode(piece(batch, isOfOneEntry)))
            count += UInt64(batch.count)
            return true
        } catch {
            failure = error
            return false
        }
    }
    if let failure { throw failure }
    try writer.send(try encode(end(count, produced)))
}

/// A message's bytes.
func encode(_ message: some Message) throws(RPCError) -> [UInt8] {
    do {
        return try message.serializedBytes()
    } catch {
        throw RPCError(.internalError, "a message that can not be written: \(error)")
    }
}

/// An answer from its bytes.
func decodeAnswer<Decoded: Message>(_ bytes: [UInt8]) throws(RPCError) -> Decoded {
    do {
        return try Decoded(serializedBytes: bytes)
    } catch {
        throw .unreadable("no such message")
    }
}

/// A request from its bytes.
func decode<Decoded: Message>(_ bytes: [UInt8]) throws(RPCError) -> Decoded {
    do {
        return try Decoded(serializedBytes: bytes)
    } catch {
        throw .invalid("a message that can not be read")
    }
}
