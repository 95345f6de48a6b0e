private import CLinux
private import Glibc

/// A Unix socket that this process listens on, at a path of its own.
public struct ListeningSocket: Sendable {
    /// Why a service can't listen.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        /// One line for the operator.
        public let description: String
    }

    /// The listening descriptor. Whoever serves on it owns it.
    public let descriptor: CInt
    /// Where it is.
    public let path: String
    /// Of a socket of its own; nil: systemd's, which stays when this process ends.
    private let inode: ino_t?

    /// The one that systemd has opened at a path.
    init(inherited descriptor: CInt, path: String) {
        self.descriptor = descriptor
        self.path = path
        inode = nil
    }

    /// Listens at a path. Missing folders are made; a socket that nobody listens on any more is replaced.
    ///
    /// - Parameters:
    ///   - mode: the permission bits of the socket: who may connect.
    ///   - backlog: connections that wait to be accepted; a small one refuses bursts.
    /// - Throws: ``Failure``: the path is too long, is no socket, or another process listens there.
    public init(path: String, mode: Int, backlog: CInt = 1_024) throws(Failure) {
        self.path = path
        guard (1...107).contains(path.utf8.count) else {
            throw Failure(description: "\(path): a socket's path has at most 107 bytes")
        }
        let folder = try Self.folder(of: path)
        // Two that start at once must not take each other's socket for a stale one.
        let lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard lock >= 0, flock(lock, LOCK_EX) == 0 else { throw Self.failure("flock", folder) }
        defer { close(lock) }
        try Self.removeStale(path)
        let listener = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | Self.closeOnExec, 0)
        guard listener >= 0 else { throw Self.failure("socket", path) }
        // Linux binds with the socket's own mode, less the umask: so no one slips in before chmod adds what that took. Not
        // by another umask: it is the process's, and what other threads make meanwhile would have it.
        guard fchmod(listener, mode_t(mode)) == 0, clinux_bind_unix(listener, path) == 0,
            chmod(path, mode_t(mode)) == 0
        else {
            defer { close(listener) }
            throw Self.failure("bind", path)
        }
        var status = stat()
        guard listen(listener, backlog) == 0, stat(path, &status) == 0 else {
            close(listener)
            throw Self.failure("listen", path)
        }
        descriptor = listener
        inode = status.st_ino
    }

    /// Removes the path, if it is still this socket's: call when serving ends.
    public func unlink() {
        var status = stat()
        if stat(path, &status) == 0, status.st_ino == inode { Glibc.unlink(path) }
    }

    private static let closeOnExec = CInt(SOCK_CLOEXEC.rawValue)

    private static func failure(_ call: String, _ path: String) -> Failure {
        Failure(description: "\(path): \(call): \(String(cString: strerror(errno)))")
    }

    /// Makes the folder that a socket's path is in, and returns it.
    private static func folder(of path: String) throws(Failure) -> String {
        let folder = "/" + path.split(separator: "/").dropLast().joined(separator: "/")
        do throws(OwnFolder.Failure) {
            try OwnFolder.make(folder, mode: 0o755)
        } catch {
            throw Failure(description: error.description)
        }
        return folder
    }

    private static func removeStale(_ path: String) throws(Failure) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw Failure(description: "\(path): is there and is no socket")
        }
        // A listener whose backlog is full must not hold up the start.
        let kind = CInt(SOCK_STREAM.rawValue) | closeOnExec | CInt(SOCK_NONBLOCK.rawValue)
        let probe = socket(AF_UNIX, kind, 0)
        guard probe >= 0 else { throw failure("socket", path) }
        defer { close(probe) }
        let connected = clinux_connect_unix(probe, path)
        if connected == 0 || errno == EAGAIN {
            throw Failure(description: "\(path): another process listens there")
        }
        if errno == ECONNREFUSED { Glibc.unlink(path) }
    }
}
