/// What carries out the calls of one method. It runs on a thread of the server and may block; what
/// it throws is what the client gets.
public enum RPCHandler: Sendable {
    /// One request, one answer.
    case unary(@Sendable (RPCServerCall, [UInt8]) throws(RPCError) -> [UInt8])
    /// One request; the writer takes each message of the answer. The stream ends when it returns.
    case serverStreaming(
        @Sendable (RPCServerCall, [UInt8], RPCMessageWriter) throws(RPCError) -> Void)
}
