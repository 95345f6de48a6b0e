/// What orders a list: a total order of entries, so that a place in it is a cursor.
public struct ListOrder: Sendable, Hashable {
    /// What is compared first.
    public enum Criterion: Sendable, Hashable {
        /// As a Spanish reader expects; see ``NaturalKey``.
        case natural
        /// The bytes of the name.
        case name
    }

    /// What is compared first.
    public let criterion: Criterion
    /// Turns round what stands before the tie-break by bytes (and before names that are not UTF-8 go last).
    public let descending: Bool
    /// Directories before all else; not turned round.
    public let directoriesFirst: Bool

    /// An order.
    public init(_ criterion: Criterion, descending: Bool = false, directoriesFirst: Bool = false) {
        self.criterion = criterion
        self.descending = descending
        self.directoriesFirst = directoriesFirst
    }

    /// Appends an entry's key: entries are in order exactly when their keys are, compared as bytes (`memcmp`).
    ///
    /// - Parameters:
    ///   - name: the entry's name: 1…255 bytes, no NUL.
    ///   - folder: its folder beneath the listed one, "" or "a/b".
    ///   - scratch: memory for folding, kept between calls.
    public func appendKey(
        name: UnsafeBufferPointer<UInt8>, isDirectory: Bool, folder: UnsafeBufferPointer<UInt8>,
        to key: inout [UInt8], scratch: inout FoldedText
    ) {
        if directoriesFirst { key.append(isDirectory ? 0 : 1) }
        let start: Int
        switch criterion {
        case .natural:
            let marker = key.count
            key.append(0)
            start = key.count
            // Names that are not UTF-8 come last, in either direction, and by their bytes alone.
            if !NaturalKey.append(name, to: &key, scratch: &scratch) {
                key[marker] = 1
                key.removeSubrange(start...)
            }
        case .name:
            start = key.count
            key.append(contentsOf: name)
            key.append(0)
        }
        if descending {
            for index in start..<key.count { key[index] = ~key[index] }
        }
        if criterion == .natural {
            key.append(contentsOf: name)
            key.append(0)
        }
        if !folder.isEmpty {
            key.append(contentsOf: folder)
            key.append(UInt8(ascii: "/"))
        }
        key.append(contentsOf: name)
    }
}

/// An entry's place in an order. The entry may be gone: the place stays.
public struct ListPosition: Sendable, Hashable {
    /// The entry's name.
    public let name: [UInt8]
    /// Its folder beneath the listed one, "" or "a/b".
    public let folder: [UInt8]
    /// Whether it was a directory.
    public let isDirectory: Bool

    /// A place.
    public init(name: [UInt8], folder: [UInt8] = [], isDirectory: Bool) {
        self.name = name
        self.folder = folder
        self.isDirectory = isDirectory
    }

    /// The key of this place in an order.
    public func key(in order: ListOrder) -> [UInt8] {
        var key: [UInt8] = []
        var scratch = FoldedText()
        name.withUnsafeBufferPointer { name in
            folder.withUnsafeBufferPointer { folder in
                order.appendKey(
                    name: name, isDirectory: isDirectory, folder: folder, to: &key,
                    scratch: &scratch)
            }
        }
        return key
    }
}
