public import FileModel
internal import RPC
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
