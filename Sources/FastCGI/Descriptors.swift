internal import CLinux
internal import Glibc

/// The descriptors that live as long as a responder runs, and the system calls on them.
final class Descriptors: Sendable {
    let listener: CInt
    /// Readable from the end on: wakes every worker, one after the other.
    let end: CInt
    /// Readable when the last connection is gone.
    let drained: CInt
    private let epoll: CInt
    /// Tells of peers that have gone, whatever else a connection is doing. Watched by one thread.
    private let farewells: CInt
    private let isTCP: Bool

    /// Owns `listener` from here on, also when it throws.
    init(listener: CInt) throws(FastCGIError) {
        self.listener = listener
        isTCP = Self.family(of: listener) != sa_family_t(AF_UNIX)
        epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
        farewells = epoll_create1(CInt(EPOLL_CLOEXEC))
        end = eventfd(0, CInt(EFD_CLOEXEC))
        drained = eventfd(0, CInt(EFD_CLOEXEC))
        // From here on deinit closes what there is.
        guard epoll >= 0, farewells >= 0, end >= 0, drained >= 0 else {
            throw FastCGIError(.system, "epoll_create1, eventfd", systemError: errno)
        }
        guard Self.isListening(listener) else { throw FastCGIError(.notListening, "getsockopt") }
        // Several workers may be woken for one connection: who comes late must not block.
        guard fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK) == 0 else {
            throw FastCGIError(.system, "fcntl", systemError: errno)
        }
    }

    deinit {
        for descriptor in [epoll, farewells, end, drained, listener] where descriptor >= 0 {
            close(descriptor)
        }
    }

    /// One event, or nil when `milliseconds` are over (-1: never) or a signal came.
    func wait(milliseconds: CInt) -> epoll_event? {
        var event = epoll_event()
        let count = epoll_wait(epoll, &event, 1, milliseconds)
        precondition(count >= 0 || errno == EINTR, "epoll_wait fails on our own mistakes only")
        return count == 1 ? event : nil
    }

    /// The token of one connection whose peer has gone, or of `end`.
    func awaitFarewell() -> UInt64? {
        var event = epoll_event()
        return epoll_wait(farewells, &event, 1, -1) == 1 ? event.data.u64 : nil
    }

    /// Told once by `awaitFarewell`: when both directions are closed, or (`end`) as long as it is readable.
    func watchFarewell(_ descriptor: CInt, _ token: UInt64, isEnd: Bool = false) -> Bool {
        var event = epoll_event()
        // EPOLLHUP and EPOLLERR are always told. Once, not again and again until the connection is closed here.
        event.events = isEnd ? EPOLLIN.rawValue : clinux_epollet
        event.data.u64 = token
        return epoll_ctl(farewells, EPOLL_CTL_ADD, descriptor, &event) == 0
    }

    func watch(_ descriptor: CInt, _ events: UInt32, _ token: UInt64) -> Bool {
        control(EPOLL_CTL_ADD, descriptor, events, token)
    }

    /// For a descriptor that is watched once at a time: its next event is wanted.
    func arm(_ descriptor: CInt, _ events: UInt32, _ token: UInt64) -> Bool {
        control(EPOLL_CTL_MOD, descriptor, events, token)
    }

    func unwatch(_ descriptor: CInt) {
        _ = control(EPOLL_CTL_DEL, descriptor, 0, 0)
    }

    /// A new connection, which blocks; -1 and `errno` if there is none.
    func accept() -> CInt {
        clinux_accept4(listener, CInt(SOCK_CLOEXEC.rawValue))
    }

    /// Whether a connection waits to be accepted.
    func hasArrival() -> Bool {
        var descriptor = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, 0) > 0
    }

    /// Gives each read and write of libfcgi its time-out: it waits in both.
    func limit(_ socket: CInt, read: Duration, write: Duration) -> Bool {
        var read = timeval(read)
        var write = timeval(write)
        let size = socklen_t(MemoryLayout<timeval>.size)
        guard setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &read, size) == 0,
            setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &write, size) == 0
        else { return false }
        guard isTCP else { return true }
        // An answer ends with a short write: it must not wait for the peer's delayed ACK.
        var on: CInt = 1
        return setsockopt(
            socket, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size)) == 0
    }

    /// Gives each later write another time-out.
    func limit(_ socket: CInt, write: Duration) {
        var write = timeval(write)
        // It can't fail where `limit` has succeeded before: the same option with another number.
        setsockopt(
            socket, SOL_SOCKET, SO_SNDTIMEO, &write, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Waits for `drained`, until `deadline` at most.
    func awaitDrained(until deadline: ContinuousClock.Instant) {
        var descriptor = pollfd(fd: drained, events: Int16(POLLIN), revents: 0)
        while true {
            let left = deadline - ContinuousClock.now
            guard left > .zero else { return }
            // Rounded up, so that the last poll is not one of 0 ms; a day at most, so that it fits.
            let milliseconds = min(left, .seconds(86_400)) / .milliseconds(1) + 1
            if poll(&descriptor, 1, CInt(milliseconds)) > 0 { return }
        }
    }

    /// Makes `end` or `drained` readable.
    static func signal(_ event: CInt) {
        // Fails only when the counter is full, and then the event is readable already.
        eventfd_write(event, 1)
    }

    /// Whether a read would give a byte at once.
    static func hasBytes(_ socket: CInt) -> Bool {
        var byte: UInt8 = 0
        return recv(socket, &byte, 1, CInt(MSG_PEEK | MSG_DONTWAIT)) > 0
    }

    /// Who is at the other end of a Unix socket; nil where that can't be known.
    static func peerUser(_ socket: CInt) -> UInt32? {
        var user: UInt32 = 0
        return clinux_peer_user(socket, &user) == 0 ? user : nil
    }

    /// Whether accepting failed for lack of descriptors or memory.
    static func isExhaustion(_ error: CInt) -> Bool {
        [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(error)
    }

    private func control(
        _ operation: CInt, _ descriptor: CInt, _ events: UInt32, _ token: UInt64
    ) -> Bool {
        var event = epoll_event()
        event.events = events
        event.data.u64 = token
        return epoll_ctl(epoll, operation, descriptor, &event) == 0
    }

    private static func family(of socket: CInt) -> sa_family_t {
        var address = sockaddr()
        var size = socklen_t(MemoryLayout<sockaddr>.size)
        return getsockname(socket, &address, &size) == 0 ? address.sa_family : 0
    }

    private static func isListening(_ socket: CInt) -> Bool {
        var value: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value == 1
    }
}

extension timeval {
    /// Rounded up to a microsecond: 0 would mean no time-out.
    fileprivate init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self.init(
            tv_sec: Int(seconds), tv_usec: Int((attoseconds + 999_999_999_999) / 1_000_000_000_000))
        if tv_usec == 1_000_000 {
            tv_sec += 1
            tv_usec = 0
        }
    }
}
