private import CLinux
public import FileModel
private import Glibc

/// What `statx(2)` says of an entry.
public struct FileStatus: Sendable, Hashable {
    /// What it is.
    public let kind: EntryKind
    /// Bytes, of a file.
    public let size: Int64?
    /// Last modification.
    public let modified: Timestamp

    private static let mask = UInt32(STATX_TYPE | STATX_SIZE | STATX_MTIME)

    private init(_ status: borrowing statx) {
        kind = EntryKind(mode: status.stx_mode)
        size = kind == .file ? Int64(clamping: status.stx_size) : nil
        modified = Timestamp(
            seconds: status.stx_mtime.tv_sec, nanoseconds: status.stx_mtime.tv_nsec)
    }

    /// Of an open descriptor.
    init(of descriptor: CInt) throws(FileError) {
        var status = statx()
        let result = CLinux.clinux_statx(
            descriptor, "", CLinux.clinux_at_empty_path, Self.mask, &status)
        guard result == 0 else { throw FileError(errno: errno, call: "statx") }
        self.init(status)
    }

    /// Of a name in a folder; a link is not followed.
    ///
    /// - Returns: nil where there is no such name (any more).
    static func of(_ name: UnsafePointer<CChar>, in folder: CInt) throws(FileError) -> FileStatus? {
        var status = statx()
        if CLinux.clinux_statx(folder, name, CLinux.clinux_at_nofollow, mask, &status) == 0 {
            return FileStatus(status)
        }
        if errno == ENOENT { return nil }
        throw FileError(errno: errno, call: "statx")
    }
}

extension EntryKind {
    /// Of a file's mode, inode(7).
    init(mode: UInt16) {
        self =
            switch mode & 0o170000 {
            case 0o100000: .file
            case 0o040000: .directory
            case 0o120000: .link
            default: .other
            }
    }

    /// Of `d_type`, readdir(3); nil where the file system does not say.
    init?(directoryEntryType type: UInt8) {
        switch type {
        case 0: return nil
        case 4: self = .directory
        case 8: self = .file
        case 10: self = .link
        default: self = .other
        }
    }
}
