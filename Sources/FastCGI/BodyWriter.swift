/// Where a streamed body goes. It belongs to the thread that answers, until the stream returns.
public struct BodyWriter {
    let out: LibraryRequest.Writer

    /// Sends a piece now. Waits while the web server takes none: that is the backpressure.
    ///
    /// - Returns: false if the peer is gone, or has taken nothing for the configuration's `streamWriteTimeout`: the end.
    public func write(_ piece: [UInt8]) -> Bool {
        out.write(piece) && out.flush()
    }

    /// After a `write` that failed: whether the peer is there and took nothing in time.
    public var hasStalled: Bool { out.hasStalled }
}

@available(*, unavailable)
extension BodyWriter: Sendable {}
