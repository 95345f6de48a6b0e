private import Glibc

/// Entries by column, as they travel from a daemon to the gateway: the n-th value of each column is the n-th entry's.
///
/// Columns instead of a value per entry: a page of 100 entries is a handful of arrays, not hundreds.
public struct EntryBatch: Sendable, Hashable {
    /// What is wrong with columns that don't fit each other.
    public struct Malformed: Error, Sendable, Hashable {
        /// For the operator.
        public let message: String
    }

    /// The number of entries.
    public private(set) var count = 0
    /// Each name followed by NUL.
    public private(set) var names: [UInt8] = []
    /// Raw values of ``EntryKind``.
    public private(set) var kinds: [UInt8] = []
    /// Bytes of a file; -1 where it does not apply or is not known.
    public private(set) var sizes: [Int64] = []
    /// Last modification, whole seconds.
    public private(set) var seconds: [Int64] = []
    /// Nanoseconds after ``seconds``; ``noTime`` where the time is not known.
    public private(set) var nanoseconds: [UInt32] = []
    /// Each entry's link text followed by NUL; empty as a whole when no entry is a link.
    public private(set) var targets: [UInt8] = []
    /// Each entry's folder beneath the searched one followed by NUL; empty as a whole in a listing.
    public private(set) var folders: [UInt8] = []
    /// How many ranges of ``matchBounds`` belong to each entry; empty as a whole without a query.
    public private(set) var matchCounts: [UInt32] = []
    /// Start and end, in turn, of the marked ranges: Unicode scalars of the shown name.
    public private(set) var matchBounds: [UInt32] = []

    /// The bytes of names, folders and link texts.
    public var byteCount: Int { names.count + folders.count + targets.count }

    /// ``nanoseconds`` of an entry whose time is not known.
    public static let noTime = UInt32.max

    /// No entries.
    public init() {}

    /// Columns from elsewhere.
    ///
    /// - Throws: ``Malformed`` where their lengths don't agree.
    public init(
        names: [UInt8], kinds: [UInt8], sizes: [Int64], seconds: [Int64], nanoseconds: [UInt32],
        targets: [UInt8], folders: [UInt8], matchCounts: [UInt32], matchBounds: [UInt32]
    ) throws(Malformed) {
        func ends(_ column: [UInt8]) -> Int {
            var count = 0
            column.withUnsafeBufferPointer { bytes in
                guard let start = bytes.baseAddress else { return }
                var index = 0
                while index < bytes.count,
                    let end = memchr(start + index, 0, bytes.count - index)
                {
                    count += 1
                    index = UnsafeRawPointer(start).distance(to: end) + 1
                }
            }
            return column.last == 0 || column.isEmpty ? count : -1
        }
        count = kinds.count
        let bounds = matchCounts.reduce(0) { $0 &+ 2 &* Int($1) }
        let fits =
            ends(names) == count && sizes.count == count && seconds.count == count
            && nanoseconds.count == count
            && (targets.isEmpty || ends(targets) == count)
            && (folders.isEmpty || ends(folders) == count)
            && (matchCounts.isEmpty || matchCounts.count == count)
            && matchBounds.count == bounds
            && kinds.allSatisfy { EntryKind(rawValue: $0) != nil }
        guard fits else {
            throw Malformed(message: "columns of \(kinds.count) entries do not fit each other")
        }
        self.names = names
        self.kinds = kinds
        self.sizes = sizes
        self.seconds = seconds
        self.nanoseconds = nanoseconds
        self.targets = targets
        self.folders = folders
        self.matchCounts = matchCounts
        self.matchBounds = matchBounds
    }

    /// Makes room for this many entries.
    public mutating func reserve(_ entries: Int) {
        names.reserveCapacity(entries * 32)
        kinds.reserveCapacity(entries)
        sizes.reserveCapacity(entries)
        seconds.reserveCapacity(entries)
        nanoseconds.reserveCapacity(entries)
    }

    /// Appends an entry.
    ///
    /// - Parameters:
    ///   - name: 1…255 bytes, no NUL.
    ///   - folder: nil in a listing; in a search each entry has one.
    ///   - matches: nil without a query.
    public mutating func append(
        name: UnsafeBufferPointer<UInt8>, folder: UnsafeBufferPointer<UInt8>?, kind: EntryKind,
        size: Int64?, modified: Timestamp?, target: [UInt8]?, matches: [Range<Int>]?
    ) {
        names.append(contentsOf: name)
        names.append(0)
        kinds.append(kind.rawValue)
        sizes.append(size ?? -1)
        seconds.append(modified?.seconds ?? 0)
        nanoseconds.append(modified?.nanoseconds ?? Self.noTime)
        if let target {
            if targets.isEmpty { targets = Array(repeating: 0, count: count) }
            targets.append(contentsOf: target)
            targets.append(0)
        } else if !targets.isEmpty {
            targets.append(0)
        }
        if let folder {
            folders.append(contentsOf: folder)
            folders.append(0)
        }
        if let matches {
            matchCounts.append(UInt32(matches.count))
            for range in matches {
                matchBounds.append(UInt32(range.lowerBound))
                matchBounds.append(UInt32(range.upperBound))
            }
        }
        count += 1
    }

    /// One entry of a batch. Its bytes are valid only inside the closure that got it.
    public struct View {
        /// The name.
        public let name: UnsafeBufferPointer<UInt8>
        /// Its folder beneath the searched one; empty in a listing.
        public let folder: UnsafeBufferPointer<UInt8>
        /// What it is.
        public let kind: EntryKind
        /// Bytes, of a file whose size is known.
        public let size: Int64?
        /// Last modification, where it is known.
        public let modified: Timestamp?
        /// The link's text, of a link whose text is known.
        public let target: UnsafeBufferPointer<UInt8>?
        /// Start and end, in turn, of the marked ranges; nil without a query.
        public let matchBounds: UnsafeBufferPointer<UInt32>?
    }

    /// Runs `body` on each entry in order.
    public func forEach(_ body: (View) -> Void) {
        names.withUnsafeBufferPointer { names in
            folders.withUnsafeBufferPointer { folders in
                targets.withUnsafeBufferPointer { targets in
                    matchBounds.withUnsafeBufferPointer { bounds in
                        forEach(names: names, folders: folders, targets: targets, bounds, body)
                    }
                }
            }
        }
    }

    private func forEach(
        names: UnsafeBufferPointer<UInt8>, folders: UnsafeBufferPointer<UInt8>,
        targets: UnsafeBufferPointer<UInt8>, _ bounds: UnsafeBufferPointer<UInt32>,
        _ body: (View) -> Void
    ) {
        func next(_ column: UnsafeBufferPointer<UInt8>, _ start: inout Int)
            -> UnsafeBufferPointer<UInt8>
        {
            guard start < column.count, let bytes = column.baseAddress else {
                return UnsafeBufferPointer(start: nil, count: 0)
            }
            let first = bytes + start
            let end = memchr(first, 0, column.count - start)
            let count = end.map { UnsafeRawPointer(first).distance(to: $0) } ?? column.count - start
            start += count + 1
            return UnsafeBufferPointer(start: first, count: count)
        }
        var (name, folder, target, bound) = (0, 0, 0, 0)
        for index in 0..<count {
            let kind = EntryKind(rawValue: kinds[index]) ?? .other
            var matches: UnsafeBufferPointer<UInt32>?
            if !matchCounts.isEmpty {
                let end = bound + 2 * Int(matchCounts[index])
                matches = UnsafeBufferPointer(rebasing: bounds[bound..<end])
                bound = end
            }
            let link = next(targets, &target)
            body(
                View(
                    name: next(names, &name), folder: next(folders, &folder), kind: kind,
                    size: sizes[index] >= 0 ? sizes[index] : nil,
                    modified: nanoseconds[index] == Self.noTime
                        ? nil
                        : Timestamp(seconds: seconds[index], nanoseconds: nanoseconds[index]),
                    // No link has an empty text (symlink(2)): it is not known.
                    target: kind == .link && !link.isEmpty ? link : nil,
                    matchBounds: matches))
        }
    }
}
