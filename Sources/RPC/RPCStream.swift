/// The answers of a streaming call, taken one by one by one thread. While none is asked for, at most about 64 KiB are read
/// ahead: then the server waits.
///
/// One that is let go of before its end is cancelled.
public final class RPCStream {
    private let channel: RPCChannel
    private let call: ClientCall
    private let deadline: RPCDeadline
    private let cancellation: RPCCancellation?
    private var hasEnded = false

    init(
        _ channel: RPCChannel, _ call: ClientCall, _ deadline: RPCDeadline,
        _ cancellation: RPCCancellation?
    ) {
        self.channel = channel
        self.call = call
        self.deadline = deadline
        self.cancellation = cancellation
    }

    deinit {
        cancel()
    }

    /// The next message; nil when the server has ended the stream well, also when asked again.
    ///
    /// - Parameter silence: how long the server may say nothing.
    /// - Throws: what the server ended the stream with, `deadlineExceeded` also after `silence`, `unavailable` when the
    ///   server went away; then the stream is over.
    public func next(within silence: Duration) throws(RPCError) -> [UInt8]? {
        guard !hasEnded else { return nil }
        let message: [UInt8]?
        do {
            message = try call.next(by: RPCDeadline(after: silence))
        } catch {
            end(isOver: false)
            throw error
        }
        if let message { return message }
        if let error = end(isOver: true) { throw error }
        return nil
    }

    /// Gives up what is left of it. Returns when the call has ended here; the server hears of it at once.
    public func cancel() {
        guard !hasEnded else { return }
        end(isOver: false)
    }

    /// - Returns: how it failed.
    @discardableResult
    private func end(isOver: Bool) -> RPCError? {
        hasEnded = true
        do {
            try call.endStream(isOver: isOver, deadline: deadline, cancellation)
            channel.end(call)
            return nil
        } catch {
            channel.end(call, failing: error)
            return error
        }
    }
}

@available(*, unavailable)
extension RPCStream: Sendable {}
