private import Glibc

/// Chooses the entries of one page out of any number of them: the first `limit` behind a place, in order.
///
/// Memory is bounded by the page, not by what is offered: about twice the page's keys. A key ends with the entry's
/// folder and name, so nothing else of an entry needs to be kept.
public struct PageSelection: Sendable {
    /// One chosen entry: where its key is, and the key's first eight bytes, which decide most comparisons.
    private struct Chosen: Sendable {
        var prefix: UInt64
        var keyStart: Int
        var keyEnd: Int
        var nameCount: Int
        var folderCount: Int
        var kind: EntryKind?
    }

    private let order: ListOrder
    private let limit: Int
    private let after: [UInt8]?
    private var chosen: [Chosen] = []
    private var keys: [UInt8] = []
    private var worst: [UInt8]?
    private var scratch = FoldedText()

    /// A page of a list in this order.
    public init(_ request: PageRequest, in order: ListOrder) {
        self.order = order
        limit = request.limit
        after = request.after?.key(in: order)
        keys.reserveCapacity(limit * 96)
        chosen.reserveCapacity(limit + 1)
    }

    /// Offers an entry. Its kind may be nil (unknown) only where the order does not ask for it.
    public mutating func offer(
        name: UnsafeBufferPointer<UInt8>, folder: UnsafeBufferPointer<UInt8>, kind: EntryKind?
    ) {
        let start = keys.count
        order.appendKey(
            name: name, isDirectory: kind == .directory, folder: folder, to: &keys,
            scratch: &scratch)
        let end = keys.count
        if isAtOrBefore(start, end, after) || isAtOrBehind(start, end, worst) {
            keys.removeSubrange(start...)
            return
        }
        // Names can go to system calls as they lie here. All keys have it, so it changes no order.
        keys.append(0)
        chosen.append(
            Chosen(
                prefix: prefix(start, end), keyStart: start, keyEnd: end, nameCount: name.count,
                folderCount: folder.count, kind: kind))
        if chosen.count >= max(2 * (limit + 1), 512) { cut() }
    }

    private func prefix(_ start: Int, _ end: Int) -> UInt64 {
        keys.withUnsafeBytes { keys in
            // At least a byte of order, a name and the NUL behind it: often eight bytes, not always.
            if keys.count - start >= 8, end - start >= 8 {
                return UInt64(bigEndian: keys.loadUnaligned(fromByteOffset: start, as: UInt64.self))
            }
            var value: UInt64 = 0
            for index in 0..<8 {
                value = value << 8 | (start + index < end ? UInt64(keys[start + index]) : 0)
            }
            return value
        }
    }

    private func isAtOrBefore(_ start: Int, _ end: Int, _ place: [UInt8]?) -> Bool {
        guard let place else { return false }
        return compare(start, end, place) <= 0
    }

    private func isAtOrBehind(_ start: Int, _ end: Int, _ place: [UInt8]?) -> Bool {
        guard let place else { return false }
        return compare(start, end, place) >= 0
    }

    private func compare(_ start: Int, _ end: Int, _ place: [UInt8]) -> Int {
        keys.withUnsafeBytes { keys in
            place.withUnsafeBytes { place in
                Self.compare(UnsafeRawBufferPointer(rebasing: keys[start..<end]), place)
            }
        }
    }

    private static func compare(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer
    ) -> Int {
        let common = min(first.count, second.count)
        if common > 0, let one = first.baseAddress, let other = second.baseAddress {
            let difference = memcmp(one, other, common)
            if difference != 0 { return Int(difference) }
        }
        return first.count - second.count
    }

    /// Keeps what the page needs, one entry more (so that it is known whether there is more), and forgets the rest.
    private mutating func cut() {
        sort()
        chosen.removeSubrange(min(limit + 1, chosen.count)...)
        var kept: [UInt8] = []
        kept.reserveCapacity(keys.count)
        for index in chosen.indices {
            let (start, end) = (chosen[index].keyStart, chosen[index].keyEnd)
            chosen[index].keyStart = kept.count
            chosen[index].keyEnd = kept.count + end - start
            kept.append(contentsOf: keys[start...end])
        }
        keys = kept
        if chosen.count > limit, let last = chosen.last {
            worst = Array(keys[last.keyStart..<last.keyEnd])
        }
    }

    private mutating func sort() {
        keys.withUnsafeBytes { keys in
            chosen.sort { first, second in
                if first.prefix != second.prefix { return first.prefix < second.prefix }
                return Self.compare(
                    UnsafeRawBufferPointer(rebasing: keys[first.keyStart..<first.keyEnd]),
                    UnsafeRawBufferPointer(rebasing: keys[second.keyStart..<second.keyEnd])) < 0
            }
        }
    }

    /// An entry of the page. Its bytes are valid only inside the closure that got it; a NUL stands behind the name.
    public struct Entry {
        /// The name.
        public let name: UnsafeBufferPointer<UInt8>
        /// Its folder beneath the listed one.
        public let folder: UnsafeBufferPointer<UInt8>
        /// What it was when it was offered.
        public let kind: EntryKind?
    }

    /// Ends the choice: calls `body` with each entry of the page in order, until it returns false: the page is full.
    ///
    /// - Returns: the last entry's place where there is more behind it.
    public mutating func finish(_ body: (Entry) -> Bool) -> ListPosition? {
        sort()
        return keys.withUnsafeBufferPointer { keys in
            func entry(_ chosen: Chosen) -> Entry {
                let name = chosen.keyEnd - chosen.nameCount
                let folder = name - (chosen.folderCount == 0 ? 0 : chosen.folderCount + 1)
                return Entry(
                    name: UnsafeBufferPointer(rebasing: keys[name..<chosen.keyEnd]),
                    folder: UnsafeBufferPointer(
                        rebasing: keys[folder..<(folder + chosen.folderCount)]),
                    kind: chosen.kind)
            }
            var count = 0
            for one in chosen.prefix(limit) {
                count += 1
                if !body(entry(one)) { break }
            }
            guard count > 0, chosen.count > count else { return nil }
            let last = entry(chosen[count - 1])
            return ListPosition(
                name: Array(last.name), folder: Array(last.folder),
                isDirectory: last.kind == .directory)
        }
    }
}
