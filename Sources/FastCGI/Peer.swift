/// The web server's end of a request's connection. It closes it when its own client has gone.
public struct Peer: Sendable {
    let slot: ConnectionSlot
    let generation: UInt32

    /// Whether the connection was closed: nobody will read the answer.
    public var isGone: Bool { slot.isGone(generation) }

    /// Runs `action` once if the peer goes before the request is answered; at once if it has gone.
    ///
    /// Of a request's actions the last one counts. It runs on a thread of the responder's or on the caller's, and must
    /// not block. A peer on a Unix socket is known as gone within a millisecond, one that only ended its sending is not
    /// gone; on TCP, where the two look alike, only one that has reset the connection is.
    public func whenGone(_ action: @escaping @Sendable () -> Void) {
        slot.whenGone(generation, action)
    }

    /// The request has been answered.
    func forget() {
        slot.forgetAction()
    }
}
