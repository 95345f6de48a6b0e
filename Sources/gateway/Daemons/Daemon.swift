import ArchiveProtocol
import Logging
import RPC
import Synchronization
import Threads

/// One daemon: where it is, how long it may take, whether it is well.
final class Daemon: Sendable {
    /// `mserv1` or `mserv2`.
    let name: String
    let watch: DaemonWatch
    /// How long a call may take, in nanoseconds.
    private let deadlineNanoseconds: Atomic<Int64>
    private let service: String
    private let channel: RPCChannel
    private let callsUnderWay: Calls
    /// Clients' calls at the same time: three eighths of the workers, so that two hung daemons leave a quarter.
    private let clientCallsMax: Int

    /// On whose behalf a daemon is asked.
    enum Caller: Sendable {
        /// A client that waits.
        case client
        /// A ticket: the replay bounds these itself.
        case ticket
    }

    /// Clients' calls under way, which the watch's check wants to know.
    private final class Calls: Sendable {
        let count = Atomic(0)
    }

    init(
        name: String, service: String, socket: String, _ configuration: GatewayConfiguration,
        log: Logger
    ) {
        self.name = name
        self.service = service
        clientCallsMax = max(1, configuration.workers * 3 / 8)
        deadlineNanoseconds = Atomic(configuration.deadline.wholeNanoseconds)
        let channel = RPCChannel(unixSocket: socket, messageBytesMax: archiveMessageBytesMax)
        let calls = Calls()
        self.channel = channel
        callsUnderWay = calls
        // Of the workers a quarter may wait for this daemon's return.
        watch = DaemonWatch(name: name, waitingMax: max(1, configuration.workers / 4), log: log) {
            Self.isWell(service, channel, calls)
        }
    }

    /// How long a call may take; a reload may change it.
    var deadline: Duration {
        get { .nanoseconds(deadlineNanoseconds.load(ordering: .relaxed)) }
        set { deadlineNanoseconds.store(newValue.wholeNanoseconds, ordering: .relaxed) }
    }

    /// Asks the daemon once.
    ///
    /// - Parameter limit: how long the call may take; nil: ``deadline``.
    /// - Throws: ``Problem``; `overload` at once where too many clients' calls are under way: those who ask for much of
    ///   one daemon must leave workers to those who ask for the other, or for the health.
    func ask<Answer>(
        for request: RequestIdentity, by caller: Caller, within limit: Duration?,
        _ call: (RPCChannel, RPCMetadata, RPCDeadline) throws(RPCError) -> Answer
    ) throws(Problem) -> Answer {
        let share = caller == .client ? 1 : 0
        let under = callsUnderWay.count.add(share, ordering: .relaxed).newValue
        defer { callsUnderWay.count.subtract(share, ordering: .relaxed) }
        guard caller == .ticket || under <= clientCallsMax else {
            throw .overload("\(clientCallsMax) calls to \(name) are under way")
        }
        return try reach(for: request, RPCDeadline(after: limit ?? deadline), call)
    }

    /// Asks the daemon for a stream. These have bounds of their own.
    ///
    /// - Parameter life: how long the whole stream may take.
    /// - Throws: ``Problem``.
    func open<Answer>(
        for request: RequestIdentity, life: Duration,
        _ call: (RPCChannel, RPCMetadata, RPCDeadline) throws(RPCError) -> Answer
    ) throws(Problem) -> Answer {
        try reach(for: request, RPCDeadline(after: life), call)
    }

    private func reach<Answer>(
        for request: RequestIdentity, _ deadline: RPCDeadline,
        _ call: (RPCChannel, RPCMetadata, RPCDeadline) throws(RPCError) -> Answer
    ) throws(Problem) -> Answer {
        var metadata = RPCMetadata()
        metadata.append(RequestMetadata.requestID, request.id)
        if let trace = request.traceparent { metadata.append(RequestMetadata.traceparent, trace) }
        do throws(RPCError) {
            return try call(channel, metadata, deadline)
        } catch {
            if error.isRetriable { watch.miss() }
            throw Problem(error, of: name)
        }
    }

    /// Calls under way and later ones fail; who waits for the daemon's return is let go.
    func stop() {
        channel.shutdown()
        watch.stop()
    }

    /// Whether the daemon says of itself that it serves. Asked at once, without patience.
    func isWell() -> Bool {
        watch.isFound()
    }

    /// Whether the daemon says so within a moment, however busy it is.
    func answersHealth() -> Bool {
        // Whatever went wrong: it did not answer.
        let isServing = try? HealthService.check(
            service, on: channel, deadline: RPCDeadline(after: .seconds(2)))
        return isServing ?? false
    }

    /// One that has no thread free to say so while it works for clients is busy, not absent.
    private static func isWell(_ service: String, _ channel: RPCChannel, _ calls: Calls) -> Bool {
        do throws(RPCError) {
            return try HealthService.check(
                service, on: channel, deadline: RPCDeadline(after: .milliseconds(500)))
        } catch {
            return error.code == .deadlineExceeded && calls.count.load(ordering: .relaxed) > 0
        }
    }
}
