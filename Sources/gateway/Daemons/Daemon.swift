import ArchiveProtocol
import Glibc
import RPC

/// One daemon: where it is, and how long to wait for it.
final class Daemon: Sendable {
    /// `mserv1` or `mserv2`.
    let name: String
    let channel: RPCChannel
    private let service: String
    private let patience: Duration
    private let deadline: Duration

    init(name: String, service: String, socket: String, _ configuration: GatewayConfiguration) {
        self.name = name
        self.service = service
        channel = RPCChannel(unixSocket: socket, messageBytesMax: archiveMessageBytesMax)
        patience = configuration.patience
        deadline = configuration.deadline
    }

    /// Asks the daemon, with patience: reading is idempotent, so a call that failed for lack of a daemon is made again
    /// until patience is over. A restart is a matter of milliseconds: nobody need see it.
    func ask<Answer>(
        for request: RequestIdentity,
        _ call: (RPCChannel, RPCMetadata, RPCDeadline) throws(RPCError) -> Answer
    ) throws(Problem) -> Answer {
        var metadata = RPCMetadata()
        metadata.append(RequestMetadata.requestID, request.id)
        if let trace = request.traceparent { metadata.append(RequestMetadata.traceparent, trace) }
        let limit = RPCDeadline(after: patience + deadline)
        let patienceEnds = ContinuousClock.now + patience
        var pause = Duration.milliseconds(5)
        while true {
            do throws(RPCError) {
                return try call(channel, metadata, limit)
            } catch {
                let now = ContinuousClock.now
                guard error.isRetriable, now < patienceEnds else {
                    throw Problem(error, of: name)
                }
                // Nothing tells when a socket appears; the channel itself backs off in steps of this size.
                Self.rest(min(pause, patienceEnds - now))
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
    func isWell() -> Bool {
        do throws(RPCError) {
            return try HealthService.check(
                service, on: channel, deadline: RPCDeadline(after: .milliseconds(500)))
        } catch {
            return false
        }
    }
}
