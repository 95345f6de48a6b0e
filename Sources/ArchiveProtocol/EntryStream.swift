public import FileModel
public import RPC

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
