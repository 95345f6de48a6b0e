import FileModel
import Glibc
@testable import RootedFiles
import TestSupport
import Testing

@Suite struct FolderTests {
    private let tree: TemporaryFolder
    private let root: Root

    init() throws {
        tree = try TemporaryFolder()
        root = try Root(path: tree.path)
    }

    private func names(_ folder: borrowing Folder) throws -> [[UInt8]] {
        var names: [[UInt8]] = []
        try folder.forEachName(using: Folder.Buffer()) { name in
            names.append(Array(name.bytes))
            return true
        }
        return names
    }

    private static func details(
        _ name: String, knownKind: EntryKind? = nil, in folder: borrowing Folder
    ) -> EntryDetails? {
        (Array(name.utf8) + [0]).withUnsafeBufferPointer { name in
            folder.details(
                of: UnsafeBufferPointer(rebasing: name.dropLast()), knownKind: knownKind)
        }
    }

    @Test func `all names are given as the bytes they are, over many buffers`() throws {
        var random = SeededGenerator(announcedFor: "all names are given")
        var expected: Set<[UInt8]> = [[0x2E, 0x2E, 0x2E], [0x2E, 0x61], [0x80]]
        while expected.count < 3_000 {
            let name = random.bytes(1...40, from: 1).map { $0 == 0x2F ? 0x30 : $0 }
            if name != [0x2E], name != [0x2E, 0x2E] { expected.insert(name) }
        }
        for name in expected { try tree.file(name) }
        let names = try names(root.openFolder(.root))
        #expect(names.count == expected.count)
        #expect(Set(names) == expected)
    }

    @Test func `reading ends where the reader says so`() throws {
        for index in 0..<100 { try tree.file("f\(index)") }
        var count = 0
        try root.openFolder(.root).forEachName(using: Folder.Buffer()) { _ in
            count += 1
            return count < 7
        }
        #expect(count == 7)
    }

    @Test func `a folder that was removed while it is open is empty`() throws {
        try tree.folder("gone")
        let folder = try root.openFolder(try RelativePath("gone".utf8))
        rmdir("\(tree.path)/gone")
        #expect(try names(folder) == [])
    }

    @Test func `details tell size, time, target, and of what is gone nothing`() throws {
        let target = String(repeating: "t/", count: 2_000)
        try tree.file("file", holding: "12345").folder("folder").link("link", to: target).fifo(
            "fifo")
        var times = [
            timeval(tv_sec: 0, tv_usec: 0), timeval(tv_sec: -62_135_596_801, tv_usec: 250_000),
        ]
        #expect(utimes("\(tree.path)/folder", &times) == 0)
        let folder = try root.openFolder(.root)
        func details(_ name: String) -> EntryDetails? {
            Self.details(name, in: folder)
        }
        #expect(details("file")?.size == 5)
        #expect(details("file")?.kind == .file)
        #expect(details("folder")?.kind == .directory)
        #expect(details("folder")?.size == nil)
        #expect(details("link")?.kind == .link)
        #expect(details("link")?.target == Array(target.utf8))
        #expect(details("link")?.size == nil)
        #expect(details("fifo")?.kind == .other)
        #expect(details("none") == nil)
    }

    @Test func `a time before 1970 is rounded down`() throws {
        try tree.file("old")
        var times = [timeval(tv_sec: 0, tv_usec: 0), timeval(tv_sec: -2, tv_usec: 250_000)]
        #expect(utimes("\(tree.path)/old", &times) == 0)
        let folder = try root.openFolder(.root)
        let modified = Self.details("old", in: folder)?.modified
        #expect(modified == Timestamp(seconds: -2, nanoseconds: 250_000_000))
    }

    @Test func `in a folder that may not be entered only the kinds are known`() throws {
        try tree.folder("list").file("list/file", holding: "123").link("list/link", to: "file")
        try tree.mode("list", 0o444)
        let known: [(name: String, kind: EntryKind)] = [("file", .file), ("link", .link)]
        let path = try RelativePath("list".utf8)
        let details = try withoutPrivileges { [root] in
            let folder = try root.openFolder(path)
            return known.map { Self.details($0.name, knownKind: $0.kind, in: folder) }
        }
        for (details, known) in zip(details, known) {
            #expect(details?.kind == known.kind)
            #expect(details?.size == nil && details?.modified == nil && details?.target == nil)
            #expect(details?.missing?.code == .noPermission)
        }
    }

    @Test func `beneath an open folder links are refused`() throws {
        try tree.folder("a").folder("a/b").file("a/b/file").link("a/link", to: "b")
        let base = try root.openFolder(.root)
        #expect(try names(base.openSubfolder(Array("a/b".utf8))) == [Array("file".utf8)])
        for path in ["a/link", "a/../..", "..", "none", "/"] {
            let error = #expect(throws: FileError.self) {
                _ = try names(base.openSubfolder(Array(path.utf8)))
            }
            #expect(error?.code == .absent || error?.code == .notFolder, "\(path)")
        }
    }

    @Test(
        arguments: [
            ("a/.b/c", false, false, FileError.Code.absent), (".b", false, true, .absent),
            ("plain", true, false, .hiddenNotServed), (".b", true, false, .hiddenNotServed),
            (".b", true, true, nil), ("plain", false, false, nil), ("plain", true, true, nil),
        ] as [(String, Bool, Bool, FileError.Code?)])
    func `hidden names are served to those who ask, where they are served at all`(
        path: String, asksForHidden: Bool, servesHidden: Bool, code: FileError.Code?
    ) throws {
        try tree.folder("plain").folder(".b").folder("a").folder("a/.b").folder("a/.b/c")
        let served = ServedTree(root: root, servesHidden: servesHidden)
        let query = EntryQuery(
            path: try RelativePath(path.utf8), order: ListOrder(.natural), kinds: .all,
            includesHidden: asksForHidden)
        var found: FileError.Code?
        do throws(FileError) {
            _ = try served.open(query)
        } catch {
            found = error.code
        }
        #expect(found == code)
    }
}
