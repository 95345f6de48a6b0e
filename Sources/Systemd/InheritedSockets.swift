private import Glibc

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
