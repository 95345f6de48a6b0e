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
}
