import ArchiveProtocol
import Glibc
import RPC
import Synchronization

/// One daemon: where it is, and how long to wait for it.
final class Daemon: Sendable {
    /// `mserv1` or `mserv2`.
    let name: String
    let channel: RPCChannel
    private let service: String
    private let patience: Duration
    private let deadline: Duration
    private let callsUnderWay = Atomic(0)

    /// Calls to one daemon at the same time.
    static let callsMax = 64

    init(name: String, service: String, socket: String, _ configuration: GatewayConfiguration) {
        self.name = name
        self.service = service
        channel = RPCChannel(unixSocket: socket, messageBytesMax: archiveMessageBytesMax)
        patience = configuration.patience
        deadline = configuration.deadline
    }

    /// Asks the daemon, with patience: reading is idempotent, so a call that failed for lack of a daemon is made again
    /// until patience is over, counted from the moment that it was first missed. A restart is a matter of
    /// milliseconds: nobody need see it.
    ///
    /// - Throws: ``Problem``; `overload` at once where ``callsMax`` calls are under way: those who ask for much of one
    ///   daemon must leave workers to those who ask for the other, or for the health.
    func ask<Answer>(
        for request: RequestIdentity,
        _ call: (RPCChannel, RPCMetadata, RPCDeadline) throws(RPCError) -> Answer
    ) throws(Problem) -> Answer {
        let under = callsUnderWay.add(1, ordering: .relaxed).newValue
        defer { callsUnderWay.subtract(1, ordering: .relaxed) }
        guard under <= Self.callsMax else {
            var problem = Problem(.overload)
            problem.retryAfter = 1
            problem.cause = "\(Self.callsMax) calls to \(name) are under way"
            throw problem
        }
        var metadata = RPCMetadata()
        metadata.append(RequestMetadata.requestID, request.id)
        if let trace = request.traceparent { metadata.append(RequestMetadata.traceparent, trace) }
        let limit = RPCDeadline(after: patience + deadline)
        var patienceEnds: ContinuousClock.Instant?
        var pause = Duration.milliseconds(5)
        while true {
            do throws(RPCError) {
                return try call(channel, metadata, limit)
            } catch {
                let now = ContinuousClock.now
                let end = patienceEnds ?? now + patience
                patienceEnds = end
                guard error.isRetriable, now < end, !limit.hasPassed else {
                    throw Problem(error, of: name)
                }
                // Nothing tells when a socket appears.
                Self.rest(min(pause, end - now))
                pause = min(pause * 2, .milliseconds(50))
            }
        }
    }

    private static func rest(_ time: Duration) {
        var left = timespec(
            tv_sec: Int(time.components.seconds),
            tv_nsec: Int(time.components.attoseconds / 1_000_000_000))
        // A signal may end the rest early; the loop around it does not mind.
        nanosleep(&left, nil)
    }

    /// Whether the daemon says of itself that it serves. Asked at once, without patience.
    ///
    /// One that has no thread free to say so while it works for us is busy, not absent.
    func isWell() -> Bool {
        do throws(RPCError) {
            return try HealthService.check(
                service, on: channel, deadline: RPCDeadline(after: .milliseconds(500)))
        } catch {
            return error.code == .deadlineExceeded && callsUnderWay.load(ordering: .relaxed) > 0
        }
    }
}
