import FileModel
import Listing
import RootedFiles
import TestSupport
import Testing

@Suite struct FolderListerTests {
    private let tree: TemporaryFolder
    private let lister: FolderLister
    private static let budget = SortBudget(bytesMax: 16 << 20)

    init() throws {
        tree = try TemporaryFolder()
        lister = FolderLister(ServedTree(root: try Root(path: tree.path), servesHidden: true))
    }

    private func query(
        _ path: String = "", _ order: ListOrder = ListOrder(.natural), kinds: EntryKinds = .all,
        hidden: Bool = false
    ) throws -> EntryQuery {
        EntryQuery(
            path: try RelativePath(path.utf8), order: order, kinds: kinds, includesHidden: hidden)
    }

    private static func names(_ batch: EntryBatch) -> [String] {
        var names: [String] = []
        batch.forEach { names.append(ShownText.string($0.name)) }
        return names
    }

    private func names(_ query: EntryQuery) throws -> [String] {
        Self.names(try lister.page(query, PageRequest(limit: 1_000, after: nil)).entries)
    }

    @Test func `a page has its entries in order, with what is known of them, and the total`() throws
    {
        try tree.file("a10", holding: "0123456789").file("a2", holding: "01").folder("b")
        try tree.link("c", to: "a2").fifo("d").file(".e")
        let page = try lister.page(try query(), PageRequest(limit: 4, after: nil))
        #expect(Self.names(page.entries) == ["a2", "a10", "b", "c"])
        #expect(page.entries.kinds == [1, 1, 2, 3])
        #expect(page.entries.sizes == [2, 10, -1, -1])
        #expect(page.entries.targets == Array("\0\0\0a2\0".utf8))
        #expect(page.entries.folders.isEmpty && page.entries.matchCounts.isEmpty)
        #expect(page.total == Total(value: 5, isExact: true))
        #expect(page.next == ListPosition(name: [0x63], isDirectory: false))
        #expect(page.isComplete && page.notices.isEmpty && !page.isOfOneEntry)
        let last = try lister.page(try query(), PageRequest(limit: 4, after: page.next))
        #expect(Self.names(last.entries) == ["d"])
        #expect(last.total.value == 5 && last.next == nil)
    }

    @Test func `a page that is full and the last has nothing behind it`() throws {
        try tree.file("a").file("b")
        let page = try lister.page(try query(), PageRequest(limit: 2, after: nil))
        #expect(page.entries.count == 2)
        #expect(page.next == nil)
    }

    @Test func `an empty folder is a complete page`() throws {
        let page = try lister.page(try query(), PageRequest(limit: 1, after: nil))
        #expect(page == EntryPage())
    }

    @Test func `kinds are filtered before the total, directories stand first`() throws {
        try tree.file("a").folder("b").link("c", to: "a").fifo("d").folder("e")
        #expect(try names(query(kinds: EntryKinds(.directory))) == ["b", "e"])
        #expect(try names(query(kinds: [EntryKinds(.link), EntryKinds(.other)])) == ["c", "d"])
        #expect(
            try names(query("", ListOrder(.natural, descending: true, directoriesFirst: true)))
                == ["e", "b", "d", "c", "a"])
        let page = try lister.page(
            try query(kinds: EntryKinds(.file)), PageRequest(limit: 1, after: nil))
        #expect(page.total.value == 1)
    }

    @Test func `hidden names are left out, or in where they are asked for`() throws {
        try tree.file("a").file(".b").file("..c").file("d.")
        #expect(try names(query()) == ["a", "d."])
        #expect(try names(query("", ListOrder(.name), hidden: true)) == ["..c", ".b", "a", "d."])
        let closed = FolderLister(ServedTree(root: try Root(path: tree.path), servesHidden: false))
        let error = #expect(throws: FileError.self) {
            try closed.page(try query(hidden: true), PageRequest(limit: 1, after: nil))
        }
        #expect(error?.code == .hiddenNotServed)
    }

    @Test func `the path of a file gives that one entry`() throws {
        try tree.folder("f").file("f/x", holding: "123").link("f/l", to: "x")
        let page = try lister.page(try query("f/x"), PageRequest(limit: 1, after: nil))
        #expect(page.isOfOneEntry && page.next == nil && page.total.value == 1)
        #expect(Self.names(page.entries) == ["x"])
        #expect(page.entries.sizes == [3])
        // A last link is followed: a file, under the name asked.
        let linked = try lister.page(try query("f/l"), PageRequest(limit: 1, after: nil))
        #expect(Self.names(linked.entries) == ["l"])
        #expect(linked.entries.kinds == [1])
        let behind = try lister.page(
            try query("f/x"),
            PageRequest(limit: 1, after: ListPosition(name: [0x78], isDirectory: false)))
        #expect(behind.entries.count == 0 && behind.next == nil)
        let filtered = try lister.page(
            try query("f/x", kinds: EntryKinds(.directory)), PageRequest(limit: 1, after: nil))
        #expect(filtered.entries.count == 0 && filtered.isOfOneEntry)
    }

    @Test(arguments: [
        ListOrder(.natural), ListOrder(.natural, descending: true, directoriesFirst: true),
        ListOrder(.name), ListOrder(.name, descending: true),
    ])
    func `what stays is given exactly once, in order, while others come and go`(
        order: ListOrder
    ) throws {
        var random = SeededGenerator(announcedFor: "what stays is given once, \(order)")
        func name() -> [UInt8] {
            random.bytes(1...4, from: 1).map { $0 == 0x2F || $0 == 0x2E ? 0x61 : $0 }
        }
        var staying: Set<[UInt8]> = []
        while staying.count < 120 { staying.insert(name()) }
        for (index, name) in staying.enumerated() {
            if index % 5 == 0 { try tree.folder(name) } else { try tree.file(name) }
        }
        var others: Set<[UInt8]> = []
        var given: [[UInt8]] = []
        var keys: [[UInt8]] = []
        var after: ListPosition?
        let query = try query("", order)
        repeat {
            for gone in others where random.oneIn(2) {
                tree.remove(gone)
                others.remove(gone)
            }
            for _ in 0..<20 {
                let new = name()
                if staying.contains(new) || others.contains(new) { continue }
                try tree.file(new)
                others.insert(new)
            }
            let page = try lister.page(
                query, PageRequest(limit: random.number(in: 1...9), after: after))
            page.entries.forEach { entry in
                given.append(Array(entry.name))
                keys.append(
                    ListPosition(name: Array(entry.name), isDirectory: entry.kind == .directory)
                        .key(in: order))
            }
            after = page.next
        } while after != nil
        #expect(Set(given).count == given.count)
        #expect(staying.isSubset(of: given))
        #expect(zip(keys, keys.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
    }

    @Test func `a folder that may be read but not entered is listed, and that is told`() throws {
        try tree.folder("list").file("list/a", holding: "1").folder("list/b")
        try tree.mode("list", 0o444)
        let query = try query("list")
        let (page, notices) = try withoutPrivileges { [lister] in
            (
                try lister.page(query, PageRequest(limit: 10, after: nil)),
                try lister.stream(query, in: .unsorted, within: SortBudget(bytesMax: 0)) { _, _ in
                    true
                }
            )
        }
        #expect(Self.names(page.entries) == ["a", "b"])
        #expect(page.entries.kinds == [1, 2] && page.entries.sizes == [-1, -1])
        #expect(page.entries.nanoseconds == [EntryBatch.noTime, EntryBatch.noTime])
        #expect(!page.isComplete)
        #expect(page.notices == [Notice(.noPermission, path: Array("list".utf8))])
        #expect(notices == page.notices)
    }

    @Test func `a stream gives everything in pieces and ends when its reader has enough`() throws {
        let count = PieceSender.count * 2 + 3
        for index in 0..<count { try tree.file("f\(index)") }
        try tree.file(".hidden").folder("folder")
        var pieces: [Int] = []
        var names: Set<String> = []
        let notices = try lister.stream(
            try query(kinds: EntryKinds(.file)), in: .unsorted, within: Self.budget
        ) { piece, _ in
            pieces.append(piece.count)
            names.formUnion(Self.names(piece))
            return true
        }
        #expect(notices == [])
        #expect(pieces == [PieceSender.count, PieceSender.count, 3])
        #expect(names == Set((0..<count).map { "f\($0)" }))
        pieces = []
        _ = try lister.stream(try query(), in: .unsorted, within: Self.budget) { piece, _ in
            pieces.append(piece.count)
            return false
        }
        #expect(pieces == [PieceSender.count])
    }

    @Test func `the stream of a file is that one entry`() throws {
        try tree.file("x", holding: "12")
        var pieces: [[String]] = []
        for order in [StreamOrder.unsorted, .sorted(after: nil)] {
            pieces = []
            let notices = try lister.stream(try query("x"), in: order, within: Self.budget) {
                piece, isOfOneEntry in
                #expect(isOfOneEntry)
                pieces.append(Self.names(piece))
                return true
            }
            #expect(pieces == [["x"]] && notices.isEmpty)
        }
        pieces = []
        let last = ListPosition(name: [0x78], isDirectory: false)
        _ = try lister.stream(try query("x"), in: .sorted(after: last), within: Self.budget) {
            piece, _ in
            pieces.append(Self.names(piece))
            return true
        }
        #expect(pieces.isEmpty)
    }

    @Test(arguments: [
        ListOrder(.natural), ListOrder(.name, descending: true, directoriesFirst: true),
    ])
    func `a stream in order is what the pages give`(order: ListOrder) throws {
        let count = PieceSender.count + 20
        for index in 0..<count { try tree.file("f\(index)") }
        try tree.folder("folder").file("Ñu").file("nu").link("l", to: "f1")
        let query = try query("", order)
        let first = try lister.page(query, PageRequest(limit: 700, after: nil))
        let all = Self.names(first.entries)
        for after in [nil, 0, 500] {
            let place = after.map { index in
                ListPosition(
                    name: Array(all[index].utf8), isDirectory: all[index] == "folder")
            }
            var names: [String] = []
            let notices = try lister.stream(
                query, in: .sorted(after: place), within: Self.budget
            ) { piece, isOfOneEntry in
                #expect(!isOfOneEntry)
                names += Self.names(piece)
                return true
            }
            #expect(notices.isEmpty)
            #expect(names == Array(all[(after.map { $0 + 1 } ?? 0)...]))
        }
        #expect(
            fileError { () throws(FileError) in
                _ = try lister.stream(
                    query, in: .sorted(after: nil), within: SortBudget(bytesMax: 1_000)
                ) { _, _ in true }
            } == .tooMuchToSort)
    }

    @Test func `reading ends soon after whoever asked has gone`() throws {
        for index in 0..<2_000 { try tree.file("f\(index)") }
        let plain = try query()
        var looks = 0
        let isCancelled = {
            looks += 1
            return looks == 2
        }
        for order in [StreamOrder.unsorted, .sorted(after: nil)] {
            looks = 0
            #expect(
                fileError { () throws(FileError) in
                    _ = try lister.stream(
                        plain, in: order, within: Self.budget, isCancelled: isCancelled
                    ) { _, _ in true }
                } == .cancelled)
            #expect(looks == 2)
        }
        looks = 0
        #expect(
            fileError { () throws(FileError) in
                _ = try lister.page(
                    plain, PageRequest(limit: 10, after: nil), isCancelled: isCancelled)
            } == .cancelled)
        #expect(looks == 2)
    }
}
