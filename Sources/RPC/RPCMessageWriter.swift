/// Where a streaming handler puts its messages. Not `Sendable`: it belongs to the handler's thread,
/// until the handler returns.
public struct RPCMessageWriter {
    let slot: ServerSlot
    let serial: UInt64

    /// Sends one message. Blocks while the client reads slower than this writes: that is the
    /// backpressure.
    ///
    /// - Throws: `cancelled` when the client has gone or given up, or the server cuts the call off;
    ///   `deadlineExceeded` when the deadline has passed here (the client may see that first:
    ///   `cancelled`); `resourceExhausted` for a message over the server's bound. A handler lets it
    ///   through.
    public func send(_ message: [UInt8]) throws(RPCError) {
        try slot.send(message, serial: serial)
    }
}

@available(*, unavailable)
extension RPCMessageWriter: Sendable {}
