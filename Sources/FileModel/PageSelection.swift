#if canImport(Glibc)
    private import Glibc
#endif

/// Chooses the entries of one page out of any number of them: the first `limit` behind a place, in order.
///
/// Memory is bounded by the page, not by what is offered: about twice the page's keys.
public struct PageSelection<Payload: Sendable>: Sendable {
    /// One chosen entry.
    public struct Chosen: Sendable {
        /// What was offered with it.
        public var payload: Payload
        fileprivate var keyStart: Int
        fileprivate var keyEnd: Int
    }

    private let limit: Int
    private let after: [UInt8]?
    private var chosen: [Chosen] = []
    private var keys: [UInt8] = []
    private var worst: [UInt8]?

    /// - Parameters:
    ///   - limit: entries on the page, at least 1.
    ///   - after: the key that the page starts behind.
    public init(limit: Int, after: [UInt8]?) {
        precondition(limit >= 1)
        self.limit = limit
        self.after = after
        keys.reserveCapacity(min(limit, 1_000) * 96)
        chosen.reserveCapacity(min(limit, 1_000) + 1)
    }

    /// Offers an entry. `appendKey` appends its key; `payload` is made only if it may be on the page.
    public mutating func offer(
        appendKey: (inout [UInt8]) -> Void, payload: () -> Payload
    ) {
        let start = keys.count
        appendKey(&keys)
        let end = keys.count
        if let after, !Self.isLess(after[...], keys[start..<end]) {
            keys.removeSubrange(start...)
            return
        }
        if let worst, !Self.isLess(keys[start..<end], worst[...]) {
            keys.removeSubrange(start...)
            return
        }
        chosen.append(Chosen(payload: payload(), keyStart: start, keyEnd: end))
        if chosen.count >= max(2 * (limit + 1), 512) { cut() }
    }

    /// The page in order, and whether there is more behind it.
    public mutating func finish() -> (page: [Payload], hasMore: Bool) {
        sort()
        return (chosen.prefix(limit).map(\.payload), chosen.count > limit)
    }

    /// Keeps what the page needs, one entry more (so that it is known whether there is more), and forgets the rest.
    private mutating func cut() {
        sort()
        chosen.removeSubrange(min(limit + 1, chosen.count)...)
        var kept: [UInt8] = []
        kept.reserveCapacity(keys.count)
        for index in chosen.indices {
            let start = kept.count
            kept.append(contentsOf: keys[chosen[index].keyStart..<chosen[index].keyEnd])
            chosen[index].keyStart = start
            chosen[index].keyEnd = kept.count
        }
        keys = kept
        if chosen.count > limit, let last = chosen.last {
            worst = Array(keys[last.keyStart..<last.keyEnd])
        }
    }

    private mutating func sort() {
        keys.withUnsafeBufferPointer { keys in
            chosen.sort { first, second in
                Self.isLess(
                    UnsafeBufferPointer(rebasing: keys[first.keyStart..<first.keyEnd]),
                    UnsafeBufferPointer(rebasing: keys[second.keyStart..<second.keyEnd]))
            }
        }
    }

    private static func isLess(_ first: ArraySlice<UInt8>, _ second: ArraySlice<UInt8>) -> Bool {
        first.withUnsafeBufferPointer { first in
            second.withUnsafeBufferPointer { second in isLess(first, second) }
        }
    }

    private static func isLess(
        _ first: UnsafeBufferPointer<UInt8>, _ second: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        let common = min(first.count, second.count)
        if common > 0, let one = first.baseAddress, let other = second.baseAddress {
            let difference = memcmp(one, other, common)
            if difference != 0 { return difference < 0 }
        }
        return first.count < second.count
    }
}
