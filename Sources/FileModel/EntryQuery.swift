/// Which entries of which folder, in what order: all that identifies a list, whatever page of it is asked for.
public struct EntryQuery: Sendable, Hashable {
    /// The folder (or, listing, the one entry).
    public let path: RelativePath
    /// The order of the list.
    public let order: ListOrder
    /// Which kinds pass.
    public let kinds: EntryKinds
    /// Whether names that start with a dot, and what is beneath such folders, belong to the list.
    public let includesHidden: Bool

    /// A query.
    public init(path: RelativePath, order: ListOrder, kinds: EntryKinds, includesHidden: Bool) {
        self.path = path
        self.order = order
        self.kinds = kinds
        self.includesHidden = includesHidden
    }
}

/// Which part of a list is asked for.
public struct PageRequest: Sendable, Hashable {
    /// Entries on the page.
    public let limit: Int
    /// The place that the page starts behind; nil for the first page.
    public let after: ListPosition?

    /// `limite`, as the API allows it.
    public static let limits = 1...1_000
    /// A page ends after the entry with which its names, folders and link texts reach so many bytes.
    public static let byteCountMax = 1 << 20
    /// `limite` where none is given.
    public static let defaultLimit = 100

    /// A page. `limit` outside ``limits`` is a mistake of the caller.
    public init(limit: Int, after: ListPosition?) {
        precondition(Self.limits.contains(limit))
        self.limit = limit
        self.after = after
    }
}

/// How many entries a list has.
public struct Total: Sendable, Hashable {
    /// The number.
    public let value: Int
    /// False: a lower bound.
    public let isExact: Bool

    /// A total.
    public init(value: Int, isExact: Bool) {
        self.value = value
        self.isExact = isExact
    }
}

/// Why an answer is not complete.
public struct Notice: Sendable, Hashable {
    /// What kept the answer from being complete.
    public enum Code: UInt8, Sendable, Hashable, CaseIterable {
        /// Something that the daemon may not read.
        case noPermission = 1
        /// The time budget ended before the walk.
        case outOfTime = 2
        /// A folder whose path is over 4,095 bytes, so that nobody could ask for it.
        case pathTooLong = 3
        /// The file system failed to read something.
        case readError = 4
        /// More folders wait to be searched than memory is allowed for.
        case treeTooLarge = 5
    }

    /// What happened.
    public let code: Code
    /// What it happened to, beneath the tree; nil where it is about the answer as a whole.
    public let path: [UInt8]?

    /// A notice.
    public init(_ code: Code, path: [UInt8]? = nil) {
        self.code = code
        self.path = path
    }

    /// An answer has at most this many notices; it is not complete all the same.
    public static let countMax = 100
}

/// One page of a list.
public struct EntryPage: Sendable, Hashable {
    /// The entries in order.
    public var entries: EntryBatch
    /// How many the whole list has.
    public var total: Total
    /// There is more behind this place; nil at the end of the list.
    public var next: ListPosition?
    /// Whether all that belongs to the list was seen.
    public var isComplete: Bool
    /// Why not.
    public var notices: [Notice]
    /// The path asked for is no folder: the page is its own entry.
    public var isOfOneEntry: Bool

    /// A page.
    public init(
        entries: EntryBatch = EntryBatch(), total: Total = Total(value: 0, isExact: true),
        next: ListPosition? = nil, isComplete: Bool = true, notices: [Notice] = [],
        isOfOneEntry: Bool = false
    ) {
        self.isOfOneEntry = isOfOneEntry
        self.entries = entries
        self.total = total
        self.next = next
        self.isComplete = isComplete
        self.notices = notices
    }
}
