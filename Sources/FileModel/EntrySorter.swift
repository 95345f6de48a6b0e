private import Glibc

/// Brings all entries behind a place into order, in memory that is bounded by a ``SortBudget``.
///
/// Its counterpart for one page is ``PageSelection``. A key ends with the entry's folder and name, so nothing else of an
/// entry is kept. Keys lie in blocks that do not move: growing copies nothing.
public struct EntrySorter: ~Copyable {
    /// What keeps it from sorting.
    public enum Failure: Error, Sendable, Hashable {
        /// These entries need more than one sorting may take.
        case tooMuch
        /// Others have too much of the budget just now.
        case busy
        /// It was given up.
        case cancelled
    }

    private struct Item {
        /// The key's first eight bytes, which decide most comparisons.
        let prefix: UInt64
        let key: UnsafePointer<UInt8>
        let keyCount: UInt32
        let nameCount: UInt16
        let folderCount: UInt16
        let kind: EntryKind?
    }

    /// Of an item, while the array of them grows by half or all of it.
    private static let itemBytes = 2 * MemoryLayout<Item>.stride
    private static let blockBytesMin = 16 << 10
    private static let blockBytesMax = 1 << 20
    /// Comparisons, or entries, between two looks whether it was given up.
    private static let lookInterval = 4_096

    private let order: ListOrder
    private let after: [UInt8]?
    private let budget: SortBudget
    private let isCancelled: () -> Bool
    private var taken = 0
    /// What has ended the offering.
    private var failure: Failure?
    private var items: [Item] = []
    private var blocks: [UnsafeMutablePointer<UInt8>] = []
    private var blockBytes = 0
    private var blockFill = 0
    private var key: [UInt8] = []
    private var scratch = FoldedText()

    /// Nothing yet.
    ///
    /// - Parameter isCancelled: asked now and then.
    public init(
        _ order: ListOrder, after: ListPosition?, within budget: SortBudget,
        isCancelled: @escaping () -> Bool
    ) {
        self.order = order
        self.after = after?.key(in: order)
        self.budget = budget
        self.isCancelled = isCancelled
    }

    deinit {
        for block in blocks { block.deallocate() }
        budget.giveBack(taken)
    }

    /// Takes an entry. Its kind may be nil (unknown) only where the order does not ask for it.
    ///
    /// - Returns: false where it takes no more; ``finish(_:)`` says why.
    public mutating func offer(
        name: UnsafeBufferPointer<UInt8>, folder: UnsafeBufferPointer<UInt8>, kind: EntryKind?
    ) -> Bool {
        do throws(Failure) {
            try keep(name, folder, kind)
            return true
        } catch {
            failure = error
            return false
        }
    }

    private mutating func keep(
        _ name: UnsafeBufferPointer<UInt8>, _ folder: UnsafeBufferPointer<UInt8>,
        _ kind: EntryKind?
    ) throws(Failure) {
        key.removeAll(keepingCapacity: true)
        order.appendKey(
            name: name, isDirectory: kind == .directory, folder: folder, to: &key,
            scratch: &scratch)
        if let after, !after.lexicographicallyPrecedes(key) { return }
        let count = key.count
        // Names can go to system calls as they lie here.
        key.append(0)
        if items.count % Self.lookInterval == 0, isCancelled() { throw .cancelled }
        try take(Self.itemBytes)
        let place = try room(key.count)
        place.update(from: key, count: key.count)
        items.append(
            Item(
                prefix: Self.prefix(place, count), key: UnsafePointer(place),
                keyCount: UInt32(count), nameCount: UInt16(name.count),
                folderCount: UInt16(folder.count), kind: kind))
    }

    private mutating func room(_ count: Int) throws(Failure) -> UnsafeMutablePointer<UInt8> {
        if let block = blocks.last, blockBytes - blockFill >= count {
            defer { blockFill += count }
            return block + blockFill
        }
        let bytes = max(count, min(Self.blockBytesMax, max(2 * blockBytes, Self.blockBytesMin)))
        try take(bytes)
        let block = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes)
        blocks.append(block)
        blockBytes = bytes
        blockFill = count
        return block
    }

    private mutating func take(_ bytes: Int) throws(Failure) {
        guard taken + bytes <= budget.bytesOfOneMax else { throw .tooMuch }
        guard budget.take(bytes) else { throw .busy }
        taken += bytes
    }

    private static func prefix(_ key: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<8 { value = value << 8 | (index < count ? UInt64(key[index]) : 0) }
        return value
    }

    /// Calls `body` with each entry in order, until it returns false.
    ///
    /// - Throws: ``Failure``, also that of an ``offer(name:folder:kind:)``.
    public mutating func finish(_ body: (PageSelection.Entry) -> Bool) throws(Failure) {
        if let failure { throw failure }
        var sinceLook = 0
        do {
            try items.sort { first, second in
                sinceLook += 1
                if sinceLook == Self.lookInterval {
                    sinceLook = 0
                    if isCancelled() { throw Failure.cancelled }
                }
                if first.prefix != second.prefix { return first.prefix < second.prefix }
                let difference = memcmp(
                    first.key, second.key, Int(min(first.keyCount, second.keyCount)))
                return difference == 0 ? first.keyCount < second.keyCount : difference < 0
            }
        } catch {
            throw .cancelled
        }
        for item in items {
            let end = item.key + Int(item.keyCount)
            let name = end - Int(item.nameCount)
            let folder = name - (item.folderCount == 0 ? 0 : Int(item.folderCount) + 1)
            let entry = PageSelection.Entry(
                name: UnsafeBufferPointer(start: name, count: Int(item.nameCount)),
                folder: UnsafeBufferPointer(start: folder, count: Int(item.folderCount)),
                kind: item.kind)
            if !body(entry) { return }
        }
    }
}
