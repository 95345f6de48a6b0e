/// What an entry is. A link is never followed to find this out.
///
/// The raw values travel between the daemons and the gateway.
public enum EntryKind: UInt8, Sendable, Hashable, CaseIterable {
    case file = 1
    case directory = 2
    case link = 3
    /// A FIFO, a socket, a device.
    case other = 4
}

/// A set of kinds: which entries pass a filter.
public struct EntryKinds: OptionSet, Sendable, Hashable {
    /// A bit for each kind: `1 << kind.rawValue`.
    public let rawValue: UInt8

    /// The set of these bits.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The set of exactly this kind.
    public init(_ kind: EntryKind) {
        rawValue = 1 << kind.rawValue
    }

    /// Every kind: no filter.
    public static let all = EntryKinds(EntryKind.allCases.map { EntryKinds($0) })

    /// Whether entries of this kind pass.
    public func contains(kind: EntryKind) -> Bool {
        contains(EntryKinds(kind))
    }
}
