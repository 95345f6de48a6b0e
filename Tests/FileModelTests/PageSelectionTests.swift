import FileModel
import TestSupport
import Testing

@Suite struct PageSelectionTests {
    private static func page(
        _ places: [ListPosition], _ request: PageRequest, in order: ListOrder
    ) -> (page: [ListPosition], next: ListPosition?) {
        var selection = PageSelection(request, in: order)
        for place in places {
            place.name.withUnsafeBufferPointer { name in
                place.folder.withUnsafeBufferPointer { folder in
                    selection.offer(
                        name: name, folder: folder, kind: place.isDirectory ? .directory : .file)
                }
            }
        }
        var page: [ListPosition] = []
        let next = selection.finish { entry in
            #expect(entry.name.baseAddress?[entry.name.count] == 0, "a NUL stands behind the name")
            page.append(
                ListPosition(
                    name: Array(entry.name), folder: Array(entry.folder),
                    isDirectory: entry.kind == .directory))
            return true
        }
        return (page, next)
    }

    private static func place(_ random: inout SeededGenerator) -> ListPosition {
        ListPosition(
            name: NastyNames.name(&random),
            folder: random.oneIn(2)
                ? [] : random.pick([[0x61], [0x61, 0x62], [0x61, 0x2F, 0x62]]),
            isDirectory: random.oneIn(4))
    }

    private static func places(_ random: inout SeededGenerator, upTo count: Int) -> [ListPosition] {
        var seen: Set<[[UInt8]]> = []
        return (0..<random.number(in: 0...count)).map { _ in place(&random) }
            .filter { seen.insert([$0.folder, $0.name]).inserted }
    }

    private static func order(_ random: inout SeededGenerator) -> ListOrder {
        ListOrder(
            random.pick([.natural, .name]), descending: random.oneIn(2),
            directoriesFirst: random.oneIn(2))
    }

    private static func sorted(_ places: [ListPosition], in order: ListOrder) -> [ListPosition] {
        places.map { ($0, $0.key(in: order)) }.sorted { $0.1.lexicographicallyPrecedes($1.1) }
            .map(\.0)
    }

    @Test func `a page is what sorting everything and cutting gives`() throws {
        var random = SeededGenerator(announcedFor: "a page is what sorting gives")
        for _ in 0..<150 {
            let places = Self.places(&random, upTo: random.oneIn(4) ? 3_000 : 40)
            let order = Self.order(&random)
            let limit = random.pick([1, 2, 7, 100, 300, 1_000])
            // A place that is there, one that is gone, or none.
            let after = random.pick([
                nil, places.randomElement(using: &random), Self.place(&random),
            ])
            let key = after?.key(in: order)
            let behind = Self.sorted(places, in: order).filter { place in
                key?.lexicographicallyPrecedes(place.key(in: order)) ?? true
            }
            let (page, next) = Self.page(
                places, PageRequest(limit: limit, after: after), in: order)
            try #require(page == Array(behind.prefix(limit)))
            try #require(next == (behind.count > limit ? page.last : nil))
        }
    }

    @Test(arguments: [(1, 512), (255, 512), (300, 602), (300, 601), (300, 301), (1_000, 2_002)])
    func `that there is more is known however many were offered`(limit: Int, count: Int) {
        // 512 or twice the page and two more: then all but the page is forgotten.
        let places = (0..<count).map { number in
            ListPosition(name: Array("\(100_000 + number)".utf8), isDirectory: false)
        }
        for offered in [places, places.reversed()] {
            let (page, next) = Self.page(
                offered, PageRequest(limit: limit, after: nil), in: ListOrder(.name))
            #expect(page == Array(places.prefix(limit)))
            #expect(next == places[limit - 1])
        }
    }

    @Test func `pages one behind the other give each entry once`() {
        var random = SeededGenerator(announcedFor: "pages give each entry once")
        for limit in [1, 3, 255, 256, 257] {
            let places = Self.places(&random, upTo: limit == 1 ? 60 : 3_000)
            let order = Self.order(&random)
            var seen: [ListPosition] = []
            var next: ListPosition?
            repeat {
                let page: [ListPosition]
                (page, next) = Self.page(
                    places.shuffled(using: &random), PageRequest(limit: limit, after: next),
                    in: order)
                seen += page
            } while next != nil && seen.count <= places.count
            #expect(seen == Self.sorted(places, in: order))
        }
    }

    /// Offers places until the sorter takes no more.
    private static func offer(_ places: [ListPosition], to sorter: inout EntrySorter) {
        for place in places {
            let isTaken = place.name.withUnsafeBufferPointer { name in
                place.folder.withUnsafeBufferPointer { folder in
                    sorter.offer(
                        name: name, folder: folder, kind: place.isDirectory ? .directory : .file)
                }
            }
            if !isTaken { return }
        }
    }

    private static func sort(
        _ places: [ListPosition], after: ListPosition?, in order: ListOrder,
        within budget: SortBudget, isCancelled: @escaping () -> Bool = { false }
    ) throws(EntrySorter.Failure) -> [ListPosition] {
        var sorter = EntrySorter(order, after: after, within: budget, isCancelled: isCancelled)
        offer(places, to: &sorter)
        var all: [ListPosition] = []
        try sorter.finish { entry in
            #expect(entry.name.baseAddress?[entry.name.count] == 0, "a NUL stands behind the name")
            all.append(
                ListPosition(
                    name: Array(entry.name), folder: Array(entry.folder),
                    isDirectory: entry.kind == .directory))
            return true
        }
        return all
    }

    @Test func `a whole list is what sorting everything gives, and its memory is given back`()
        throws
    {
        var random = SeededGenerator(announcedFor: "a whole list is what sorting gives")
        let budget = SortBudget(bytesMax: 64 << 20)
        for _ in 0..<100 {
            let places = Self.places(&random, upTo: random.oneIn(4) ? 3_000 : 40)
            let order = Self.order(&random)
            let after = random.pick([
                nil, places.randomElement(using: &random), Self.place(&random),
            ])
            let key = after?.key(in: order)
            let behind = Self.sorted(places, in: order).filter { place in
                key?.lexicographicallyPrecedes(place.key(in: order)) ?? true
            }
            try #require(
                try Self.sort(places, after: after, in: order, within: budget) == behind)
            try #require(budget.bytesTaken == 0)
        }
    }

    /// A sorter that holds the places, in a box.
    private final class Offered {
        var sorter: EntrySorter
        init(_ sorter: consuming EntrySorter) { self.sorter = sorter }
    }

    private static func offered(_ places: [ListPosition], within budget: SortBudget) -> Offered {
        var sorter = EntrySorter(
            ListOrder(.natural), after: nil, within: budget, isCancelled: { false })
        offer(places, to: &sorter)
        return Offered(sorter)
    }

    @Test func `sorting ends where its memory does, or who asked has gone`() throws {
        let places = (0..<100_000).map { number in
            ListPosition(name: Array("\(number)".utf8), isDirectory: false)
        }
        let budget = SortBudget(bytesMax: 1 << 20)
        #expect(throws: EntrySorter.Failure.tooMuch) {
            try Self.sort(places, after: nil, in: ListOrder(.natural), within: budget)
        }
        #expect(budget.bytesTaken == 0)
        // As much as three such lists need, and a little: one may take half of it, two leave too little for a third.
        let counting = SortBudget(bytesMax: 1 << 30)
        let one = Self.offered(places, within: counting)
        let need = counting.bytesTaken
        let shared = SortBudget(bytesMax: 2 * need + 1_024)
        let others = (
            Self.offered(places, within: shared), Self.offered(places, within: shared)
        )
        #expect(throws: EntrySorter.Failure.busy) {
            try Self.sort(places, after: nil, in: ListOrder(.natural), within: shared)
        }
        _ = (one, others)
        var looks = 0
        #expect(throws: EntrySorter.Failure.cancelled) {
            try Self.sort(
                places, after: nil, in: ListOrder(.name), within: SortBudget(bytesMax: 64 << 20)
            ) {
                looks += 1
                // After the last entry was offered: within the sorting.
                return looks > 40
            }
        }
    }
}
