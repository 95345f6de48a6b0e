import FileModel
import TestSupport
import Testing

@Suite struct PageSelectionTests {
    private static func page(_ keys: [[UInt8]], limit: Int, after: [UInt8]?) -> ([[UInt8]], Bool) {
        var selection = PageSelection<[UInt8]>(limit: limit, after: after)
        for key in keys {
            selection.offer(appendKey: { $0.append(contentsOf: key) }, payload: { key })
        }
        return selection.finish()
    }

    private static func keys(_ random: inout SeededGenerator, upTo count: Int) -> [[UInt8]] {
        let all = Set((0..<random.number(in: 0...count)).map { _ in random.bytes(0...5) })
        return all.shuffled(using: &random)
    }

    @Test func `a page is what sorting everything and cutting gives`() {
        var random = SeededGenerator(announcedFor: "a page is what sorting gives")
        for _ in 0..<150 {
            let keys = Self.keys(&random, upTo: random.oneIn(3) ? 5_000 : 40)
            let sorted = keys.sorted { $0.lexicographicallyPrecedes($1) }
            let limit = random.pick([1, 2, 7, 100, 300, 1_000])
            // A place that is there, one that is gone, or none.
            let after = random.pick([nil, keys.randomElement(using: &random), random.bytes(0...3)])
            let behind = sorted.filter { key in
                after.map { $0.lexicographicallyPrecedes(key) } ?? true
            }
            let (page, hasMore) = Self.page(keys, limit: limit, after: after)
            #expect(page == Array(behind.prefix(limit)))
            #expect(hasMore == (behind.count > limit))
        }
    }

    @Test func `pages one behind the other give each entry once`() {
        var random = SeededGenerator(announcedFor: "pages give each entry once")
        for limit in [1, 3, 255, 256, 257] {
            let keys = Self.keys(&random, upTo: limit == 1 ? 60 : 3_000)
            var seen: [[UInt8]] = []
            var after: [UInt8]?
            var hasMore = true
            while hasMore, seen.count <= keys.count {
                var page: [[UInt8]]
                (page, hasMore) = Self.page(keys.shuffled(using: &random), limit: limit, after: after)
                seen += page
                after = page.last
            }
            #expect(seen == keys.sorted { $0.lexicographicallyPrecedes($1) })
        }
    }

    @Test func `of many entries in falling order only few payloads are kept`() {
        var made = 0
        var selection = PageSelection<Int>(limit: 10, after: nil)
        for number in 0..<10_000 {
            selection.offer(
                appendKey: { $0 += [UInt8(number >> 8), UInt8(number & 0xFF)] },
                payload: {
                    made += 1
                    return number
                })
        }
        #expect(selection.finish().page == Array(0..<10))
        #expect(made < 1_000)
    }
}
