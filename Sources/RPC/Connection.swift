internal import CGRPC
internal import CLinux
internal import Glibc
internal import Synchronization

/// One connection to a server's Unix socket, and the gRPC channel upon it.
///
/// The channel is made upon a connected descriptor (`grpc_channel_create_from_fd`) instead of by
/// gRPC's name resolver: so an absent server is known at once, there is no reconnect back-off to
/// sit in, and the layers between (resolver, load balancer, retries) cost no time.
///
/// `@unchecked Sendable`: `channel` is made for use by several threads; it is destroyed when the `ClientCall` that has this
/// object lets go of it, and a call that is carried upon it holds it until its end.
final class Connection: @unchecked Sendable {
    let channel: OpaquePointer
    /// A copy of the descriptor that gRPC owns and may close at any time: to look whether the peer
    /// is there.
    private let watched: CInt

    /// Connects, and waits until the server has taken the connection: a Unix socket that systemd holds for a service which
    /// does not come up takes connections into its queue for ever.
    ///
    /// - Parameter deadline: until when it waits.
    /// - Throws: `unavailable`, naming the path and the reason; `deadlineExceeded` where it was not taken until then.
    init(
        path: String, arguments: ChannelArguments, by deadline: RPCDeadline
    ) throws(RPCError) {
        let descriptor = try Self.connect(to: path)
        guard Self.isTaken(descriptor, by: deadline) else {
            close(descriptor)
            throw RPCError(.deadlineExceeded, "connection to \(path): nobody takes it")
        }
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else {
            let reason = Self.reason(errno)
            close(descriptor)
            throw RPCError(.unavailable, "connection to \(path): \(reason)")
        }
        _ = GRPCLibrary.started
        watched = copy
        let credentials = cgrpc_insecure_channel_credentials()
        channel = arguments.withGRPC { arguments in
            grpc_channel_create_from_fd("unix:\(path)", descriptor, credentials, arguments)
        }
        grpc_channel_credentials_release(credentials)
    }

    deinit {
        grpc_channel_destroy(channel)
        close(watched)
    }

    /// Whether the server has closed its end: known from the kernel, though nobody reads an idle
    /// connection.
    var isClosedByPeer: Bool {
        // POLLRDHUP is 0x2000 (Swift does not import it); POLLHUP and POLLERR are always reported.
        var poll = pollfd(fd: watched, events: 0x2000, revents: 0)
        return Glibc.poll(&poll, 1, 0) != 0
    }

    /// A gRPC server speaks first: its settings (RFC 9113, 3.4) come as soon as it has taken the connection, and stay
    /// unread here.
    private static func isTaken(_ descriptor: CInt, by deadline: RPCDeadline) -> Bool {
        var readable = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let left = max(.zero, deadline.remaining ?? .seconds(3_600))
            // Rounded up, so that the last poll is not one of 0 ms.
            let milliseconds = CInt(min(left / .milliseconds(1), 3_600_000)) + 1
            let result = Glibc.poll(&readable, 1, milliseconds)
            if result > 0 { return true }
            if result == 0 || deadline.hasPassed { return false }
        }
    }

    private static func connect(to path: String) throws(RPCError) -> CInt {
        let type =
            CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else {
            throw RPCError(.unavailable, "socket: \(reason(errno))")
        }
        guard clinux_connect_unix(descriptor, path) == 0 else {
            let reason = reason(errno)
            close(descriptor)
            throw RPCError(.unavailable, "connection to \(path): \(reason)")
        }
        return descriptor
    }

    private static func reason(_ code: CInt) -> String {
        String(cString: strerror(code))
    }
}
