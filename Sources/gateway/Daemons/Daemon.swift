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
    private let channel: RPCChannel
    private let callsUnderWay: Calls

    /// Calls to one daemon at the same time.
    static let callsMax = 64

    /// A count that the watch's check shares.
    private final class Calls: Sendable {
        let count = Atomic(0)
    }

    init(
        name: String, service: String, socket: String, _ configuration: GatewayConfiguration,
        log: Logger
    ) {
        self.name = name
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
    /// - Throws: ``Problem``; `overload` at once where ``callsMax`` calls are under way: those who ask for much of one
    ///   daemon must leave workers to those who ask for the other, or for the health.
    func ask<Answer>(
        for request: RequestIdentity, within limit: Duration? = nil,
        _ call: (RPCChannel, RPCMetadata, RPCDeadline) throws(RPCError) -> Answer
    ) throws(Problem) -> Answer {
        let under = callsUnderWay.count.add(1, ordering: .relaxed).newValue
        defer { callsUnderWay.count.subtract(1, ordering: .relaxed) }
        guard under <= Self.callsMax else {
            var problem = Problem(.overload)
            problem.retryAfter = 1
            problem.cause = "\(Self.callsMax) calls to \(name) are under way"
            throw problem
        }
        var metadata = RPCMetadata()
        metadata.append(RequestMetadata.requestID, request.id)
        if let trace = request.traceparent { metadata.append(RequestMetadata.traceparent, trace) }
        do throws(RPCError) {
            return try call(channel, metadata, RPCDeadline(after: limit ?? deadline))
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

    /// One that has no thread free to say so while it works for us is busy, not absent.
    private static func isWell(_ service: String, _ channel: RPCChannel, _ calls: Calls) -> Bool {
        do throws(RPCError) {
            return try HealthService.check(
                service, on: channel, deadline: RPCDeadline(after: .milliseconds(500)))
        } catch {
            return error.code == .deadlineExceeded && calls.count.load(ordering: .relaxed) > 0
        }
    }
}
