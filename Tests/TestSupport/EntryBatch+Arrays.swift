public import FileModel

extension EntryBatch {
    /// Appends an entry whose names are arrays.
    public mutating func append(
        name: [UInt8], folder: [UInt8]?, kind: EntryKind, size: Int64?, modified: Timestamp?,
        target: [UInt8]?, matches: [Range<Int>]?
    ) {
        name.withUnsafeBufferPointer { name in
            (folder ?? []).withUnsafeBufferPointer { place in
                append(
                    name: name, folder: folder == nil ? nil : place, kind: kind, size: size,
                    modified: modified, target: target, matches: matches)
            }
        }
    }
}
