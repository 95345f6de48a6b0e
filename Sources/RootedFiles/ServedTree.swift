public import FileModel

/// A root and what of it is served: the one place that knows the rule of hidden names.
public struct ServedTree: Sendable {
    /// The tree.
    public let root: Root
    /// Whether hidden names are served to those who ask for them.
    public let servesHidden: Bool

    /// A served tree.
    public init(root: Root, servesHidden: Bool) {
        self.root = root
        self.servesHidden = servesHidden
    }

    /// Opens what a query is about.
    ///
    /// - Throws: ``FileError``. Through a hidden name that was not asked for, the path is `absent`.
    public func open(_ query: EntryQuery) throws(FileError) -> Root.Opened {
        if query.includesHidden {
            guard servesHidden else {
                throw FileError(.hiddenNotServed, "hidden names are not served")
            }
        } else if query.path.passesThroughHiddenName {
            throw FileError(.absent, "a hidden name on the way")
        }
        return try root.open(query.path)
    }
}

extension EntryQuery {
    /// Whether an entry of this name belongs to the list, as far as its name tells.
    @inline(__always)
    public func admits(name: UnsafeBufferPointer<UInt8>) -> Bool {
        includesHidden || name[0] != UInt8(ascii: ".")
    }
}
