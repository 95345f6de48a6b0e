public import RPC

/// What travels beside a request from the gateway to a daemon, as gRPC metadata.
public enum RequestMetadata {
    /// The request's id, the same in nginx's, the gateway's and the daemons' logs.
    public static let requestID = "x-request-id"
    /// W3C Trace Context.
    public static let traceparent = "traceparent"
}

extension RPCMetadata {
    /// The trace that the call belongs to: 32 hex digits of `traceparent` (W3C Trace Context, 3.2).
    public var traceID: String? {
        guard let parent = self[RequestMetadata.traceparent] else { return nil }
        let parts = parent.split(separator: "-", omittingEmptySubsequences: false)
        return parts.count >= 4 && parts[1].utf8.count == 32 ? String(parts[1]) : nil
    }
}
