import FileModel
import Testing

@Suite struct RelativePathTests {
    @Test(arguments: [
        ("", "", false), ("/", "", false), ("//", "", false), ("a", "a", false),
        ("/a//b/./c", "a/b/c", false), ("/a/", "a", true), ("/a/.", "a", true), (".", "", false),
        ("/..", "..", false), ("/%2e", "%2e", false),
    ])
    func `a path is normalised`(written: String, bytes: String, mustBeFolder: Bool) throws {
        let path = try RelativePath(written.utf8)
        #expect(String(decoding: path.bytes, as: UTF8.self) == bytes)
        #expect(path.mustBeFolder == mustBeFolder)
    }

    @Test func `NUL and over-long paths are refused`() {
        #expect(throws: RelativePath.Flaw.holdsNUL) { try RelativePath([0x61, 0]) }
        #expect(throws: RelativePath.Flaw.tooLong) {
            try RelativePath(Array(repeating: 0x61, count: 4_096))
        }
    }

    @Test(arguments: [("..", false), ("a/..", false), ("...", true), ("a..", true)])
    func `dot-dot can not exist`(written: String, canExist: Bool) throws {
        #expect(try RelativePath(written.utf8).canExist == canExist)
    }
}
