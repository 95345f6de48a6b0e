import FileModel
import Glibc
import RootedFiles
import TestSupport
import Testing

/// What a path leads to, in a form that can be compared.
private enum Led: Equatable, Sendable, CustomStringConvertible {
    case folder([String])
    case entry(EntryKind, size: Int64?)
    case error(FileError.Code)

    var description: String {
        switch self {
        case .folder(let names): "folder \(names)"
        case .entry(let kind, let size): "\(kind) \(size.map { "\($0)" } ?? "-")"
        case .error(let code): "\(code)"
        }
    }

    init(_ root: Root, _ path: some Collection<UInt8>) {
        do throws(FileError) {
            guard let path = try? RelativePath(path) else { preconditionFailure("no path") }
            switch try root.open(path) {
            case .folder(let folder):
                var names: [String] = []
                try folder.forEachName(using: Folder.Buffer()) { name in
                    names.append(ShownText.string(name.bytes))
                    return true
                }
                self = .folder(names.sorted())
            case .entry(let status): self = .entry(status.kind, size: status.size)
            }
        } catch {
            self = .error(error.code)
        }
    }

    init(_ root: Root, _ path: String) {
        self.init(root, path.utf8)
    }
}

@Suite struct RootTests {
    /// `tree` is served, `outside` stands beside it.
    private let folder: TemporaryFolder
    private let root: Root

    init() throws {
        folder = try TemporaryFolder()
        try folder.folder("outside").file("outside/secret", holding: "secret")
        try folder.folder("tree").folder("tree/a").folder("tree/a/b").file(
            "tree/a/b/file", holding: "1234")
        try folder.file("tree/plain", holding: "12")
        root = try Root(path: "\(folder.path)/tree")
    }

    @Test(arguments: [
        ("", Led.folder(["a", "plain"])), ("a", .folder(["b"])), ("a/", .folder(["b"])),
        ("a/b/file", .entry(.file, size: 4)), ("plain", .entry(.file, size: 2)),
        ("plain/", .error(.notFolder)), ("plain/.", .error(.notFolder)),
        ("plain/x", .error(.notFolder)), ("plain/x/y", .error(.notFolder)),
        ("none", .error(.absent)), ("none/x", .error(.absent)), ("a/none", .error(.absent)),
        ("..", .error(.absent)), ("a/../plain", .error(.absent)), ("a/..", .error(.absent)),
        ("../outside", .error(.absent)), ("../tree/plain", .error(.absent)),
    ])
    fileprivate func `a path leads to a folder, an entry or nowhere`(path: String, led: Led) {
        #expect(Led(root, path) == led)
    }

    @Test func `links are followed inside, refused on every way outside`() throws {
        let links: [(String, target: String, Led)] = [
            ("inside", "a/b", .folder(["file"])),
            ("inside-file", "a/b/file", .entry(.file, size: 4)),
            ("chain", "inside", .folder(["file"])), ("to-itself", ".", .folder([])),
            ("absolute", "/etc", .error(.absent)), ("proc", "/proc/self/root", .error(.absent)),
            ("absolute-inside", "\(folder.path)/tree/a", .error(.absent)),
            ("leaves", "../outside", .error(.absent)),
            ("leaves-to-file", "../outside/secret", .error(.absent)),
            ("leaves-and-returns", "../tree/a", .error(.absent)),
            ("dangling", "nothing", .error(.absent)), ("loop", "loop", .error(.absent)),
            ("ping", "pong", .error(.absent)), ("pong", "ping", .error(.absent)),
        ]
        for link in links { try folder.link("tree/\(link.0)", to: link.target) }
        try folder.link("tree/a/up-inside", to: "../plain")
        for (name, _, led) in links where name != "to-itself" {
            #expect(Led(root, name) == led, "\(name)")
        }
        #expect(Led(root, "to-itself/to-itself/a") == .folder(["b", "up-inside"]))
        #expect(Led(root, "a/up-inside") == .entry(.file, size: 2))
        #expect(Led(root, "inside/file") == .entry(.file, size: 4))
        #expect(Led(root, "inside/") == .folder(["file"]))
        #expect(Led(root, "inside-file/") == .error(.notFolder))
        #expect(Led(root, "leaves/secret") == .error(.absent))
        #expect(Led(root, "absolute-inside/b") == .error(.absent))
    }

    @Test func `a FIFO and a socket are entries, and nobody waits for a writer`() throws {
        try folder.fifo("tree/fifo")
        let socket = try BoundSocket(at: "\(folder.path)/tree/socket")
        #expect(Led(root, "fifo") == .entry(.other, size: nil))
        #expect(Led(root, "socket") == .entry(.other, size: nil))
        #expect(Led(root, "fifo/") == .error(.notFolder))
        socket.close()
    }

    @Test func `a name of 255 bytes is served, one of 256 can't exist`() throws {
        let name = Array(repeating: UInt8(ascii: "n"), count: 252) + [0xFF, 0xFE, 0x0A]
        try folder.file(Array("tree/".utf8) + name, holding: "x")
        #expect(Led(root, name) == .entry(.file, size: 1))
        #expect(Led(root, name + [0x6E]) == .error(.absent))
        #expect(Led(root, "a/\(String(repeating: "é", count: 128))") == .error(.absent))
    }

    @Test func `a tree that is missing or no folder can't be served, but waited for`() throws {
        #expect(throws: Root.OpenError.self) { try Root(path: "\(folder.path)/none") }
        let awaited = Root(awaiting: "\(folder.path)/none")
        #expect(throws: FileError.self) { try awaited.look() }
        mkdir("\(folder.path)/none", 0o755)
        try awaited.look()
        rmdir("\(folder.path)/none")
        #expect(throws: FileError.self) { try awaited.look() }
        #expect(throws: Root.OpenError.self) { try Root(path: "\(folder.path)/tree/plain") }
    }

    @Test
    func
        `a folder that may not be read is told apart from what is behind one that may not be entered`()
        throws
    {
        try folder.folder("tree/shut").folder("tree/shut/in").file("tree/shut/in/file")
        try folder.folder("tree/list").file("tree/list/file", holding: "123").folder(
            "tree/list/sub")
        try folder.folder("tree/enter").file("tree/enter/file", holding: "123")
        try folder.file("tree/unreadable", holding: "1")
        try folder.mode("tree/shut", 0)
        try folder.mode("tree/list", 0o444)
        try folder.mode("tree/enter", 0o111)
        try folder.mode("tree/unreadable", 0)
        let expected: [(path: String, Led)] = [
            ("shut", .error(.noPermission)), ("shut/", .error(.noPermission)),
            ("shut/in", .error(.absent)), ("shut/none", .error(.absent)),
            ("list", .folder(["file", "sub"])), ("list/file", .error(.absent)),
            ("enter", .error(.noPermission)), ("enter/file", .entry(.file, size: 3)),
            ("enter/none", .error(.absent)), ("unreadable", .entry(.file, size: 1)),
        ]
        let (isShut, led) = try withoutPrivileges { [root, folder] in
            errno = 0
            let isShut = opendir("\(folder.path)/tree/shut") == nil && errno == EACCES
            return (isShut, expected.map { Led(root, $0.path) })
        }
        try #require(isShut, "without this the rest would say nothing")
        for (led, expected) in zip(led, expected) { #expect(led == expected.1, "\(expected.path)") }
    }

    @Test
    func `nothing outside is ever seen while a folder and a link out of the tree change places`()
        throws
    {
        try folder.folder("tree/door").file("tree/door/marker", holding: "in")
        try folder.file("outside/marker", holding: "outside!")
        try folder.link("tree/relative", to: "../outside").link(
            "tree/rising", to: "a/../../outside")
        try folder.link("tree/absolute", to: "\(folder.path)/outside")
        let tree = "\(folder.path)/tree"
        let isOver = Flag()
        let seen = Tally()
        concurrently([
            {
                let links = ["relative", "rising", "absolute"]
                for round in 0..<10_000 {
                    let link = "\(tree)/\(links[round % links.count])"
                    if rename("\(tree)/door", "\(tree)/aside") != 0 {
                        seen.count("a rename failed")
                    }
                    if rename(link, "\(tree)/door") != 0 { seen.count("a rename failed") }
                    if rename("\(tree)/door", link) != 0 { seen.count("a rename failed") }
                    if rename("\(tree)/aside", "\(tree)/door") != 0 {
                        seen.count("a rename failed")
                    }
                }
                isOver.raise()
            },
            { [root] in
                while !isOver.isRaised {
                    seen.count(Led(root, "door/marker").description)
                    seen.count(Led(root, "door").description)
                }
            },
        ])
        let counts = seen.counts
        #expect(counts["folder [\"marker\"]", default: 0] > 0 && counts["file 2", default: 0] > 0)
        #expect(counts["absent", default: 0] > 0, "the race was never met")
        let allowed: Set<String> = ["folder [\"marker\"]", "file 2", "absent"]
        #expect(Set(counts.keys).subtracting(allowed) == [], "\(counts)")
    }
}
