import FileModel
import Glibc
import NameIndex
import RootedFiles
import TestSupport
import Testing

@Suite struct TreeSearcherTests {
    private let tree: TemporaryFolder
    private let served: ServedTree
    private let searcher: TreeSearcher

    init() throws {
        tree = try TemporaryFolder()
        served = ServedTree(root: try Root(path: tree.path), servesHidden: true)
        searcher = TreeSearcher(served, budget: .seconds(60))
    }

    private func query(
        _ path: String = "", _ order: ListOrder = ListOrder(.natural), kinds: EntryKinds = .all,
        hidden: Bool = false
    ) throws -> EntryQuery {
        EntryQuery(
            path: try RelativePath(path.utf8), order: order, kinds: kinds, includesHidden: hidden)
    }

    private static func paths(_ batch: EntryBatch) -> [String] {
        var paths: [String] = []
        batch.forEach { entry in
            let folder = ShownText.string(entry.folder)
            paths.append((folder.isEmpty ? "" : folder + "/") + ShownText.string(entry.name))
        }
        return paths
    }

    private func page(
        _ query: EntryQuery, _ text: String?, limit: Int = 1_000, after: ListPosition? = nil
    ) throws -> EntryPage {
        try searcher.page(
            query, text: try text.map { try NameQuery($0) },
            PageRequest(limit: limit, after: after), remaining: nil, isCancelled: { false })
    }

    private func makeTree() throws {
        try tree.folder("a").folder("a/b").file("a/b/Camión.pdf", holding: "123").file(
            "a/camion.txt")
        try tree.file("camioneta").folder("a/camiones").folder(".h").file(".h/camion").file(
            "a/.camion")
    }

    @Test func `every name beneath the folder is looked at, hidden ones only where asked for`()
        throws
    {
        try makeTree()
        let page = try page(try query(), "camion")
        #expect(
            Self.paths(page.entries)
                == ["a/b/Camión.pdf", "a/camion.txt", "a/camiones", "camioneta"])
        #expect(page.entries.kinds == [1, 1, 2, 1])
        #expect(page.entries.sizes == [3, 0, -1, 0])
        #expect(page.entries.matchCounts == [1, 1, 1, 1])
        #expect(page.entries.matchBounds == [0, 6, 0, 6, 0, 6, 0, 6])
        #expect(page.total == Total(value: 4, isExact: true))
        #expect(page.isComplete && page.next == nil && page.notices.isEmpty)
        #expect(
            Set(Self.paths(try self.page(try query(hidden: true), "camion -txt").entries))
                == ["a/b/Camión.pdf", "a/camiones", "camioneta", ".h/camion", "a/.camion"])
        #expect(Self.paths(try self.page(try query("a/b"), "camion").entries) == ["Camión.pdf"])
        #expect(
            Self.paths(try self.page(try query(".h", hidden: true), "camion").entries) == ["camion"]
        )
    }

    @Test func `without a text the filters decide, and nothing is marked`() throws {
        try makeTree()
        let page = try page(try query(kinds: EntryKinds(.directory)), nil)
        #expect(Self.paths(page.entries) == ["a", "a/b", "a/camiones"])
        #expect(page.entries.matchCounts.isEmpty)
    }

    @Test func `links are hits, never ways`() throws {
        try tree.folder("a").file("a/hit").link("a/hit-loop", to: "..").link("hit-out", to: "/etc")
        try tree.link("hit-inside", to: "a")
        let page = try page(try query(), "hit")
        #expect(Self.paths(page.entries) == ["a/hit", "hit-inside", "a/hit-loop", "hit-out"])
        #expect(page.entries.targets == Array("\0a\0..\0/etc\0".utf8))
        #expect(page.isComplete)
        // The searched path itself may be a link inside the tree.
        #expect(
            Self.paths(try self.page(try query("hit-inside"), "hit").entries) == [
                "hit", "hit-loop",
            ])
    }

    @Test func `what is no folder, missing or hidden can't be searched`() throws {
        try tree.file("plain").folder(".h")
        for (path, code) in [
            ("plain", FileError.Code.notFolder), ("none", .absent), (".h", .absent),
        ] {
            let error = #expect(throws: FileError.self) { try page(try query(path), "x") }
            #expect(error?.code == code, "\(path)")
        }
    }

    @Test(arguments: [
        ListOrder(.natural), ListOrder(.natural, descending: true),
        ListOrder(.name, directoriesFirst: true),
    ])
    func `pages give each hit once, in order, also equal names of many folders`(
        order: ListOrder
    ) throws {
        var random = SeededGenerator(announcedFor: "pages give each hit once, \(order)")
        var folders = [""]
        var expected: Set<String> = []
        for _ in 0..<40 {
            let parent = random.pick(folders)
            let folder = (parent.isEmpty ? "" : parent + "/") + random.pick(["x", "y", "Ñ", "x2"])
            if expected.contains(folder) { continue }
            try tree.folder(folder)
            expected.insert(folder)
            folders.append(folder)
            for name in ["same", "x.txt", "x10"] {
                try tree.file("\(folder)/\(name)")
                expected.insert("\(folder)/\(name)")
            }
        }
        let query = try query("", order)
        var given: [String] = []
        var keys: [[UInt8]] = []
        var after: ListPosition?
        repeat {
            let page = try page(query, nil, limit: random.number(in: 1...9), after: after)
            given += Self.paths(page.entries)
            page.entries.forEach { entry in
                keys.append(
                    ListPosition(
                        name: Array(entry.name), folder: Array(entry.folder),
                        isDirectory: entry.kind == .directory
                    ).key(in: order))
            }
            #expect(page.total == Total(value: expected.count, isExact: true))
            after = page.next
        } while after != nil && given.count <= expected.count
        #expect(Set(given) == expected)
        #expect(given.count == expected.count)
        #expect(zip(keys, keys.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
    }

    @Test func `a folder that may not be read is told of, and the rest is given`() throws {
        try tree.folder("a").folder("a/shut").file("a/shut/hit").file("a/hit").folder("list")
        try tree.file("list/hit")
        try tree.mode("a/shut", 0)
        try tree.mode("list", 0o444)
        let (whole, shut) = (try query(), try query("a/shut"))
        let text = try NameQuery("hit")
        let page = try withoutPrivileges { [searcher] in
            try searcher.page(
                whole, text: text, PageRequest(limit: 10, after: nil), remaining: nil,
                isCancelled: { false })
        }
        #expect(Self.paths(page.entries) == ["a/hit", "list/hit"])
        #expect(page.entries.sizes == [0, -1])
        #expect(!page.isComplete && !page.total.isExact)
        #expect(
            Set(page.notices) == [
                Notice(.noPermission, path: Array("a/shut".utf8)),
                Notice(.noPermission, path: Array("list".utf8)),
            ])
        let error = #expect(throws: FileError.self) {
            try withoutPrivileges { [searcher] in
                try searcher.page(
                    shut, text: text, PageRequest(limit: 10, after: nil), remaining: nil,
                    isCancelled: { false })
            }
        }
        #expect(error?.code == .noPermission)
    }

    @Test func `a walk whose time is over says so`() throws {
        try makeTree()
        let hasty = TreeSearcher(served, budget: .zero)
        let page = try hasty.page(
            try query(), text: nil, PageRequest(limit: 10, after: nil), remaining: nil,
            isCancelled: { false })
        #expect(!page.isComplete && !page.total.isExact)
        #expect(page.notices == [Notice(.outOfTime)])
        #expect(page.next == nil)
    }

    @Test func `a walk that is cancelled is not complete`() throws {
        try makeTree()
        let page = try searcher.page(
            try query(), text: nil, PageRequest(limit: 10, after: nil), remaining: nil,
            isCancelled: { true })
        #expect(!page.isComplete && page.entries.count == 0)
    }

    @Test func `cancelling ends a walk within a big folder`() throws {
        for index in 0..<3_000 { try tree.file("f\(index)") }
        var looks = 0
        let page = try searcher.page(
            try query(), text: nil, PageRequest(limit: 10, after: nil), remaining: nil,
            isCancelled: {
                looks += 1
                return looks > 2
            })
        #expect(!page.isComplete)
        #expect((1...200).contains(page.total.value))
    }

    @Test func `a folder whose path nobody could ask for is told of`() throws {
        let name = [CChar](repeating: 0x64, count: 250) + [0]
        var folder = open(tree.path, O_RDONLY | O_DIRECTORY)
        for _ in 0..<17 {
            #expect(mkdirat(folder, name, 0o755) == 0)
            let inner = openat(folder, name, O_RDONLY | O_DIRECTORY)
            close(folder)
            folder = inner
        }
        close(folder)
        let page = try page(try query(), nil)
        #expect(page.entries.count == 17)
        #expect(!page.isComplete)
        let path = Array(repeating: [UInt8](repeating: 0x64, count: 250), count: 17)
            .joined(separator: [0x2F])
        #expect(page.notices == [Notice(.pathTooLong, path: Array(path))])
    }

    @Test func `past a hundred notices the answer only says that it is not complete`() throws {
        for index in 0..<(Notice.countMax + 20) {
            try tree.folder("f\(index)")
            try tree.mode("f\(index)", 0)
        }
        let query = try query()
        let page = try withoutPrivileges { [searcher] in
            try searcher.page(
                query, text: nil, PageRequest(limit: 10, after: nil), remaining: nil,
                isCancelled: { false })
        }
        #expect(page.notices.count == Notice.countMax)
        #expect(!page.isComplete)
    }

    @Test func `a stream gives every hit in pieces and ends when its reader has enough`() throws {
        try makeTree()
        try tree.folder("many")
        let count = PieceSender.count * 2 + 1
        for index in 0..<count { try tree.file("many/hit\(index)") }
        var pieces: [Int] = []
        var paths: [String] = []
        let end = try searcher.stream(
            try query(), text: try NameQuery("hit"), in: .unsorted,
            within: SortBudget(bytesMax: 0), isCancelled: { false }
        ) { piece in
            pieces.append(piece.count)
            paths += Self.paths(piece)
            return true
        }
        #expect(end.isComplete && end.notices.isEmpty)
        #expect(pieces == [PieceSender.count, PieceSender.count, 1])
        #expect(Set(paths) == Set((0..<count).map { "many/hit\($0)" }))
        pieces = []
        _ = try searcher.stream(
            try query(), text: try NameQuery("hit"), in: .unsorted,
            within: SortBudget(bytesMax: 0), isCancelled: { false }
        ) { piece in
            pieces.append(piece.count)
            return false
        }
        #expect(pieces == [PieceSender.count])
    }

    @Test func `a stream in order is what the pages give`() throws {
        try makeTree()
        try tree.folder("many").folder("many/b").file("many/b/hit3")
        for index in 0..<700 { try tree.file("many/hit\(index)") }
        let text = try NameQuery("hit")
        let plain = try query()
        let page = try searcher.page(
            try query(), text: text, PageRequest(limit: 800, after: nil), remaining: nil,
            isCancelled: { false })
        let all = Self.paths(page.entries)
        for after in [
            nil,
            ListPosition(name: Array("hit3".utf8), folder: Array("many".utf8), isDirectory: false),
        ] {
            var paths: [String] = []
            let end = try searcher.stream(
                try query(), text: text, in: .sorted(after: after),
                within: SortBudget(bytesMax: 16 << 20), isCancelled: { false }
            ) { piece in
                paths += Self.paths(piece)
                return true
            }
            #expect(end.isComplete)
            let start = after == nil ? 0 : (all.firstIndex(of: "many/hit3") ?? 0) + 1
            #expect(paths == Array(all[start...]))
        }
        #expect(
            fileError { () throws(FileError) in
                _ = try searcher.stream(
                    plain, text: text, in: .sorted(after: nil),
                    within: SortBudget(bytesMax: 1_000), isCancelled: { false }
                ) { _ in true }
            } == .tooMuchToSort)
    }

    @Test func `a hit does not wait for the next one`() throws {
        try tree.file("hit")
        for index in 0..<40 {
            try tree.folder("b\(index)")
            for number in 0..<40 { try tree.file("b\(index)/x\(number)") }
        }
        var came: [Int] = []
        var looks = 0
        let slow = {
            // A walk that takes long: each look some 5 ms.
            usleep(5_000)
            looks += 1
            return false
        }
        _ = try searcher.stream(
            try query(), text: try NameQuery("hit"), in: .unsorted, within: SortBudget(bytesMax: 0),
            isCancelled: slow
        ) { piece in
            // Pieces without hits are signs of life.
            if piece.count > 0 { came.append(looks) }
            return true
        }
        let first = try #require(came.first)
        #expect(came.count == 1 && first < looks / 2, "\(came) of \(looks)")
    }
}
