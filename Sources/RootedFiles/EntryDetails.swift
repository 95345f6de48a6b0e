public import FileModel

/// What an answer tells of an entry, read at the time of the answer.
public struct EntryDetails: Sendable, Hashable {
    /// What it is.
    public let kind: EntryKind
    /// Bytes, of a file.
    public let size: Int64?
    /// Last modification.
    public let modified: Timestamp?
    /// A link's text.
    public let target: [UInt8]?
    /// Why size, time or target are missing, where they are.
    public let missing: FileError?

    /// What is known of an entry that is no name in a folder: the path asked for itself.
    public init(_ status: FileStatus) {
        kind = status.kind
        size = status.size
        modified = status.modified
        target = nil
        missing = nil
    }

    fileprivate init(_ status: FileStatus, target: [UInt8]?) {
        kind = status.kind
        size = status.size
        modified = status.modified
        self.target = target
        missing = nil
    }

    fileprivate init(onlyKind kind: EntryKind, missing error: FileError) {
        self.kind = kind
        size = nil
        modified = nil
        target = nil
        missing = error
    }
}

extension Folder {
    /// Reads what an answer tells of a name in this folder. nil where it is gone.
    ///
    /// In a folder that may be read but not entered only the kind is known, as far as the folder told it.
    ///
    /// - Parameter name: a NUL stands behind it.
    public func details(of name: UnsafeBufferPointer<UInt8>, knownKind: EntryKind?) -> EntryDetails?
    {
        do throws(FileError) {
            guard let status = try status(of: name) else { return nil }
            guard status.kind == .link else { return EntryDetails(status, target: nil) }
            guard let target = try linkTarget(of: name) else { return nil }
            return EntryDetails(status, target: target)
        } catch {
            return EntryDetails(onlyKind: knownKind ?? .other, missing: error)
        }
    }
}
