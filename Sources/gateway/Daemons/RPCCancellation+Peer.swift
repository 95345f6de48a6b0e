import FastCGI
import RPC

extension RPCCancellation {
    /// Gives calls up when a request's client has gone; nil for a request that nobody waits for.
    convenience init?(whenGone peer: Peer?) {
        guard let peer else { return nil }
        self.init()
        peer.whenGone { [self] in cancel() }
    }
}
