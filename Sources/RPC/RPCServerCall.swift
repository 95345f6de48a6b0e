internal import Synchronization

/// A call as its handler sees it.
public struct RPCServerCall: Sendable {
    /// `/package.Service/Method`.
    public let method: String
    /// What the client sent beside the request, without gRPC's own and without binary values.
    public let metadata: RPCMetadata
    /// When the client stops waiting. gRPC cancels the call then.
    public let deadline: RPCDeadline

    let slot: ServerSlot
    let serial: UInt64

    /// Whether the client has gone or given up, the deadline has passed, or the server cuts its
    /// calls off. At most a millisecond old; so cheap (50 ns) that a loop may ask in each round.
    /// `true` after the handler's return.
    public var isCancelled: Bool {
        slot.isCancelled(serial)
    }

    /// Whether the server is to stop. A handler without an end of its own (a watch) should return
    /// soon; others go on, and are cancelled when the time of `RPCServer.stop` is up.
    public var isServerStopping: Bool {
        slot.stopping.isStopping.load(ordering: .relaxed)
    }

    /// Waits until the call is cancelled, or that long: for a handler that has nothing to send for
    /// now.
    ///
    /// - Returns: whether it is cancelled.
    public func waitUntilCancelled(for duration: Duration) -> Bool {
        slot.waitUntilCancelled(serial, until: RPCDeadline(after: duration))
    }
}
