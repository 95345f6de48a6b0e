private import CLinux
private import Glibc
private import Threads

/// The listening sockets that systemd has opened for the service (sd_listen_fds_with_names(3), systemd.socket(5)).
///
/// They are systemd's as well: never shut down or unlinked here, so that who connects while the service restarts waits.
public struct InheritedSockets: Sendable {
    /// Why an inherited socket can't be used.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        /// One line for the operator.
        public let description: String
    }

    /// The first descriptor that systemd passes, `SD_LISTEN_FDS_START`.
    static let firstDescriptor: CInt = 3
    /// More than these are no environment of ours.
    static let countMax: CInt = 64

    private let descriptors: [String: CInt]

    /// Those of this process's environment: none where nobody passed any. Call once, before other descriptors are opened.
    ///
    /// - Throws: ``Failure``: what was passed is not a listening Unix socket.
    public static func ofProcess() throws(Failure) -> InheritedSockets {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        return try InheritedSockets(
            pid: variable("LISTEN_PID"), count: variable("LISTEN_FDS"),
            names: variable("LISTEN_FDNAMES"), first: firstDescriptor)
    }

    /// - Parameter first: the first descriptor.
    init(pid: String?, count: String?, names: String?, first: CInt) throws(Failure) {
        // Variables that were meant for a parent are no matter of this process's.
        guard let pid, pid_t(pid) == getpid(), let count = count.flatMap({ CInt($0) }),
            (1...Self.countMax).contains(count)
        else {
            descriptors = [:]
            return
        }
        let names = (names ?? "").split(separator: ":", omittingEmptySubsequences: false)
        var descriptors: [String: CInt] = [:]
        for index in 0..<count {
            let descriptor = first + index
            let name = Int(index) < names.count ? String(names[Int(index)]) : ""
            try Self.check(descriptor, name)
            descriptors[name] = descriptor
        }
        self.descriptors = descriptors
    }

    /// The socket with a name (`FileDescriptorName=`), if there is one.
    public func descriptor(named name: String) -> CInt? {
        descriptors[name]
    }

    /// Where a socket is; nil where it has no path.
    public static func path(of descriptor: CInt) -> String? {
        var bytes = [CChar](repeating: 0, count: 109)
        guard clinux_unix_path(descriptor, &bytes) == 0 else { return nil }
        return String(
            decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Takes the connections that come and closes them at once, for a while; where there are no sockets it only waits.
    public func turnAway(for pause: Duration) {
        let end = MonotonicClock.now + pause.wholeNanoseconds
        var polls = descriptors.values.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        // A connection that another took first must not hold this up.
        for place in polls { _ = fcntl(place.fd, F_SETFL, fcntl(place.fd, F_GETFL) | O_NONBLOCK) }
        while true {
            let left = end - MonotonicClock.now
            guard left > 0, poll(&polls, nfds_t(polls.count), CInt(left / 1_000_000) + 1) >= 0
            else { return }
            for index in polls.indices where polls[index].revents != 0 {
                let connection = accept(polls[index].fd, nil, nil)
                if connection >= 0 {
                    close(connection)
                } else if errno != EAGAIN {
                    // Not asked again: poll(2) leaves out what is negative.
                    polls[index].fd = -1
                }
            }
        }
    }

    /// A listening Unix socket, which processes that this one starts do not get.
    private static func check(_ descriptor: CInt, _ name: String) throws(Failure) {
        func option(_ option: CInt) -> CInt? {
            var value: CInt = 0
            var size = socklen_t(MemoryLayout<CInt>.size)
            return getsockopt(descriptor, SOL_SOCKET, option, &value, &size) == 0 ? value : nil
        }
        guard option(SO_DOMAIN) == AF_UNIX, option(SO_ACCEPTCONN) == 1 else {
            throw Failure(
                description: "descriptor \(descriptor) (\(name)), which systemd "
                    + "passed, is no listening Unix socket")
        }
        guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else {
            throw Failure(
                description: "descriptor \(descriptor): fcntl: \(String(cString: strerror(errno)))")
        }
    }
}
