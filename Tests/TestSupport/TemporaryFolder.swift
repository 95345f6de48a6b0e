private import Glibc

/// A folder of its own beneath /tmp, gone with all that is in it when this is.
///
/// Names are bytes, and nothing depends on the process's umask, which tests of sockets change.
public final class TemporaryFolder: Sendable {
    /// What the system said no to.
    public struct Failure: Error, CustomStringConvertible {
        /// The call, the name, the reason.
        public let description: String
    }

    /// Its path.
    public let path: String

    /// Makes the folder; everyone may enter it.
    public init() throws {
        var template = Array("/tmp/pasarela-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw Self.failure("mkdtemp", []) }
        path = String(cString: made)
        chmod(path, 0o755)
    }

    deinit {
        Self.remove(Array(path.utf8CString), in: AT_FDCWD)
    }

    /// The absolute path of a name in it, with NUL.
    public func cPath(_ name: [UInt8]) -> [CChar] {
        (Array(path.utf8) + [0x2F] + name + [0]).map { CChar(bitPattern: $0) }
    }

    /// Makes a file.
    @discardableResult
    public func file(_ name: [UInt8], holding content: String = "") throws -> TemporaryFolder {
        let descriptor = open(cPath(name), O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard descriptor >= 0 else { throw Self.failure("open", name) }
        defer { close(descriptor) }
        guard write(descriptor, Array(content.utf8), content.utf8.count) == content.utf8.count
        else { throw Self.failure("write", name) }
        return self
    }

    /// Makes a file.
    @discardableResult
    public func file(_ name: String, holding content: String = "") throws -> TemporaryFolder {
        try file(Array(name.utf8), holding: content)
    }

    /// Makes a folder in a folder that is there.
    @discardableResult
    public func folder(_ name: [UInt8]) throws -> TemporaryFolder {
        guard mkdir(cPath(name), 0o755) == 0 else { throw Self.failure("mkdir", name) }
        chmod(cPath(name), 0o755)
        return self
    }

    /// Makes a folder in a folder that is there.
    @discardableResult
    public func folder(_ name: String) throws -> TemporaryFolder {
        try folder(Array(name.utf8))
    }

    /// Makes a symbolic link.
    @discardableResult
    public func link(_ name: String, to target: String) throws -> TemporaryFolder {
        guard symlink(target, cPath(Array(name.utf8))) == 0 else {
            throw Self.failure("symlink", Array(name.utf8))
        }
        return self
    }

    /// Makes a FIFO.
    @discardableResult
    public func fifo(_ name: String) throws -> TemporaryFolder {
        guard mkfifo(cPath(Array(name.utf8)), 0o644) == 0 else {
            throw Self.failure("mkfifo", Array(name.utf8))
        }
        return self
    }

    /// Changes permissions.
    public func mode(_ name: String, _ mode: UInt32) throws {
        guard chmod(cPath(Array(name.utf8)), mode) == 0 else {
            throw Self.failure("chmod", Array(name.utf8))
        }
    }

    /// Removes a file or link.
    public func remove(_ name: [UInt8]) {
        unlink(cPath(name))
    }

    private static func failure(_ call: String, _ name: [UInt8]) -> Failure {
        Failure(
            description:
                "\(call) \(String(decoding: name, as: UTF8.self)): \(String(cString: strerror(errno)))"
        )
    }

    /// Removes whatever it is, by descriptors, so that no path is too long.
    private static func remove(_ name: [CChar], in folder: CInt) {
        if unlinkat(folder, name, 0) == 0 { return }
        fchmodat(folder, name, 0o700, 0)
        let inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        guard inner >= 0, let stream = fdopendir(inner) else { return }
        var names: [[CChar]] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                Array(bytes.bindMemory(to: CChar.self).prefix { $0 != 0 }) + [0]
            }
            if name != [0x2E, 0] && name != [0x2E, 0x2E, 0] { names.append(name) }
        }
        for name in names { remove(name, in: inner) }
        closedir(stream)
        unlinkat(folder, name, AT_REMOVEDIR)
    }
}
