private import CLinux
public import FileModel
private import Glibc

/// An open folder of the tree.
public struct Folder: ~Copyable {
    private let descriptor: CInt

    init(owning descriptor: CInt) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// A name as the folder gives it: no `.`, no `..`.
    public struct Name {
        /// The bytes, valid only inside the closure that got them. A NUL stands behind them.
        public let bytes: UnsafeBufferPointer<UInt8>
        /// What it is, where the file system says so without a look.
        public let kind: EntryKind?
    }

    /// Memory for reading folders, kept between them: 32 KiB, more gains nothing.
    public final class Buffer {
        fileprivate let bytes = UnsafeMutableRawBufferPointer.allocate(
            byteCount: 32 * 1_024, alignment: 8)

        /// A buffer; one per thread.
        public init() {}

        deinit {
            bytes.deallocate()
        }
    }

    /// Calls `body` with every name, in the file system's order, until it returns false.
    ///
    /// POSIX: a name that is there before and after is given once; one that comes or goes meanwhile may be given.
    public func forEachName(using buffer: Buffer, _ body: (Name) -> Bool) throws(FileError) {
        let bytes = buffer.bytes
        while true {
            let filled = CLinux.clinux_getdents64(
                descriptor, bytes.baseAddress, UInt(bytes.count))
            if filled < 0, errno == EINTR { continue }
            // ENOENT: the folder was removed while it was read.
            if filled < 0, errno == ENOENT { return }
            guard filled >= 0 else { throw FileError(errno: errno, call: "getdents64") }
            guard filled > 0 else { return }
            // struct linux_dirent64, getdents(2): d_ino 8 bytes, d_off 8, d_reclen 2, d_type 1, d_name.
            var offset = 0
            while offset < filled {
                let length = Int(bytes.load(fromByteOffset: offset + 16, as: UInt16.self))
                let type = bytes[offset + 18]
                let start = offset + 19
                var end = start
                while bytes[end] != 0 { end += 1 }
                offset += length
                let name = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                    .assumingMemoryBound(to: UInt8.self)
                if name[0] == UInt8(ascii: "."), Self.isSelfOrParent(name) { continue }
                let kind = EntryKind(directoryEntryType: type)
                if !body(Name(bytes: name, kind: kind)) { return }
            }
        }
    }

    private static func isSelfOrParent(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        name.count == 1 || (name.count == 2 && name[1] == UInt8(ascii: "."))
    }

    /// What a name in this folder is; a link is not followed. nil where it is gone.
    ///
    /// - Parameter name: a NUL stands behind it.
    public func status(of name: UnsafeBufferPointer<UInt8>) throws(FileError) -> FileStatus? {
        try FileStatus.of(Self.cString(name), in: descriptor)
    }

    /// A link's text, or nil where it is gone or no link (any more).
    ///
    /// - Parameter name: a NUL stands behind it.
    public func linkTarget(of name: UnsafeBufferPointer<UInt8>) throws(FileError) -> [UInt8]? {
        var count = 0
        var number: Int32 = 0
        let target = [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { target, filled in
            count = target.withMemoryRebound(to: CChar.self) { target in
                readlinkat(
                    descriptor, Self.cString(name), target.baseAddress.unsafelyUnwrapped,
                    target.count)
            }
            number = errno
            filled = max(count, 0)
        }
        if count >= 0 { return target }
        if number == ENOENT || number == EINVAL { return nil }
        throw FileError(errno: number, call: "readlinkat")
    }

    /// The bytes as a C string: whoever gives a name promises the NUL behind it.
    private static func cString(_ name: UnsafeBufferPointer<UInt8>) -> UnsafePointer<CChar> {
        precondition(name.count > 0, "a name has at least a byte")
        let bytes = UnsafeRawPointer(name.baseAddress.unsafelyUnwrapped)
        return bytes.assumingMemoryBound(to: CChar.self)
    }

    /// Opens a folder beneath this one by a path of real folders: a link on the way is refused.
    public func openSubfolder(_ path: [UInt8]) throws(FileError) -> Folder {
        let folder = try openBeneath(
            descriptor, path, flags: UInt64(O_RDONLY | O_DIRECTORY | O_NONBLOCK),
            resolve: CLinux.clinux_resolve_no_symlinks)
        return Folder(owning: folder)
    }

    /// As ``openSubfolder(_:)``, but without the right to read it: only to look at what is in it by name.
    public func openPlace(_ path: [UInt8]) throws(FileError) -> Folder {
        let folder = try openBeneath(
            descriptor, path, flags: UInt64(CLinux.clinux_o_path | O_DIRECTORY),
            resolve: CLinux.clinux_resolve_no_symlinks)
        return Folder(owning: folder)
    }
}
