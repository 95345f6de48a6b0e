private import CLinux
public import FileModel
private import Glibc
private import Synchronization

/// The served tree: read beneath, never outside.
///
/// It is held open. Where its path leads to another folder by now (a tree that was put in its place, or taken away and
/// brought back), that one is opened: looked at before each answer, some 1 µs.
///
/// Every path is resolved by `openat2(2)` with `RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS`: the kernel refuses `..` and
/// links that leave the root while it resolves, so nothing can be swapped between a check and its use. A link is
/// followed where it is relative and never leaves the root.
public final class Root: Sendable {
    /// Why a tree can't be served.
    public struct OpenError: Error, Sendable, CustomStringConvertible {
        /// What is wrong with the path, as text that fits behind it.
        public let description: String
    }

    /// What a path leads to.
    public enum Opened: ~Copyable {
        case folder(Folder)
        /// No folder: what it is. A last link was followed.
        case entry(FileStatus)
    }

    /// A folder held open.
    private final class Held: Sendable {
        let descriptor: CInt
        let device: dev_t
        let inode: ino_t

        init(_ descriptor: CInt, _ status: stat) {
            self.descriptor = descriptor
            device = status.st_dev
            inode = status.st_ino
        }

        deinit { close(descriptor) }
    }

    private let path: String
    /// nil until the tree has been there once.
    private let held: Mutex<Held?>

    /// Opens the tree at an absolute or relative path.
    ///
    /// - Throws: ``OpenError`` where it is missing, no folder or may not be read.
    public init(path: String) throws(OpenError) {
        self.path = path
        held = Mutex(try Self.open(path))
    }

    /// The tree at a path, whether it is there yet or not: until then every answer is `treeAbsent`. Opens nothing yet: a
    /// disk that hangs holds up who asks for an answer, not who starts.
    public init(awaiting path: String) {
        self.path = path
        held = Mutex(nil)
    }

    /// Looks whether the tree is there.
    ///
    /// - Throws: ``FileError`` `treeAbsent` where it is not.
    public func look() throws(FileError) {
        _ = try current()
    }

    private static func open(_ path: String) throws(OpenError) -> Held {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
            let reason =
                switch errno {
                case ENOENT: "does not exist"
                case ENOTDIR: "is not a folder"
                case EACCES: "may not be read by this user"
                default: String(cString: strerror(errno))
                }
            throw OpenError(description: reason)
        }
        return Held(descriptor, status)
    }

    /// The folder that the path leads to now.
    ///
    /// - Throws: ``FileError`` `treeAbsent` where there is none.
    private func current() throws(FileError) -> Held {
        let known = held.withLock { $0 }
        var status = stat()
        if let known, stat(path, &status) == 0, status.st_dev == known.device,
            status.st_ino == known.inode
        {
            return known
        }
        let opened: Held
        do throws(OpenError) {
            opened = try Self.open(path)
        } catch {
            throw FileError(.treeAbsent, "the served tree \(path) \(error.description)")
        }
        held.withLock { $0 = opened }
        return opened
    }

    /// Opens what a path leads to.
    ///
    /// - Throws: ``FileError``; a path outside the root is `absent`, as one that does not exist.
    public func open(_ path: RelativePath) throws(FileError) -> Opened {
        guard path.canExist else { throw FileError(.absent, "a name that can not exist") }
        let root = try current()
        do {
            return .folder(try openFolder(path, beneath: root))
        } catch let error where error.code == .notFolder || error.code == .noPermission {
            // The root itself may not be read any more: that is no secret.
            if path.bytes.isEmpty { throw error }
            // What is it, then? Without rights to read it, only to know of it.
            let flags = UInt64(CLinux.clinux_o_path)
            let status: FileStatus
            do {
                let place = try openBeneath(root.descriptor, path.bytes, flags: flags)
                defer { close(place) }
                status = try FileStatus(of: place)
            } catch let inner where inner.code == .noPermission {
                // A folder on the way may not be entered: what is behind it is nobody's to know.
                throw FileError(.absent, "openat2: a folder on the way may not be entered")
            }
            if status.kind == .directory {
                throw FileError(.noPermission, "openat2: the folder may not be read")
            }
            if path.mustBeFolder { throw error }
            return .entry(status)
        }
    }

    /// Opens the folder that a path leads to.
    func openFolder(_ path: RelativePath) throws(FileError) -> Folder {
        guard path.canExist else { throw FileError(.absent, "a name that can not exist") }
        return try openFolder(path, beneath: try current())
    }

    private func openFolder(_ path: RelativePath, beneath root: Held) throws(FileError) -> Folder {
        let folder = try openBeneath(
            root.descriptor, path.bytes, flags: UInt64(O_RDONLY | O_DIRECTORY | O_NONBLOCK))
        return Folder(owning: folder)
    }
}

/// Opens `path` beneath `folder`; "" is the folder itself.
///
/// `RESOLVE_BENEATH` gives `EAGAIN` when a rename on the way might have let it out: then it is tried again
/// (openat2(2), "ERRORS"), a bounded number of times.
func openBeneath(_ folder: CInt, _ path: [UInt8], flags: UInt64, resolve more: UInt64 = 0)
    throws(FileError) -> CInt
{
    let resolve =
        CLinux.clinux_resolve_beneath | CLinux.clinux_resolve_no_magiclinks | more
    let attempts = 64
    for attempt in 1...attempts {
        let opened = withCString(path.isEmpty ? [UInt8(ascii: ".")] : path) { path in
            CLinux.clinux_openat2(folder, path, flags | UInt64(O_CLOEXEC), resolve)
        }
        if opened >= 0 { return opened }
        let number = errno
        guard attempt < attempts, number == EAGAIN || number == EINTR else {
            throw FileError(errno: number, call: "openat2")
        }
    }
    throw FileError(errno: EAGAIN, call: "openat2")
}

/// Runs `body` on bytes without NUL as a C string.
@inline(__always)
func withCString<Result>(
    _ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> Result
) -> Result {
    withUnsafeTemporaryAllocation(byteCount: bytes.count + 1, alignment: 1) { buffer in
        buffer.copyBytes(from: bytes)
        buffer[bytes.count] = 0
        // Memory of its own, bound to nothing else; allocated, so it has an address.
        let text = buffer.baseAddress.unsafelyUnwrapped.bindMemory(
            to: CChar.self, capacity: buffer.count)
        return body(UnsafePointer(text))
    }
}
