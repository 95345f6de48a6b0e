import Foundation
import Service
import TestSupport
import Testing

@Suite struct OwnFolderTests {
    @Test func `a folder is made for its owner alone, and used again`() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/a/b"
        try OwnFolder.make(path, mode: 0o700)
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o700)
        try OwnFolder.make(path, mode: 0o700)
    }

    @Test func `a folder that others may write into is refused`() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/open"
        try OwnFolder.make(path, mode: 0o755)
        chmod(path, 0o777)
        #expect(throws: OwnFolder.Failure.self) { try OwnFolder.make(path, mode: 0o755) }
    }

    @Test func `a folder of somebody else is refused`() throws {
        guard geteuid() == 0 else { return }
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/foreign"
        try OwnFolder.make(path, mode: 0o755)
        chown(path, 65_534, 65_534)
        #expect(throws: OwnFolder.Failure.self) { try OwnFolder.make(path, mode: 0o755) }
    }

    @Test func `a file in the place of a folder is refused`() throws {
        let folder = try TemporaryFolder()
        try folder.file("file")
        #expect(throws: OwnFolder.Failure.self) {
            try OwnFolder.make("\(folder.path)/file", mode: 0o755)
        }
        #expect(throws: OwnFolder.Failure.self) {
            try OwnFolder.make("\(folder.path)/file/x", mode: 0o755)
        }
    }
}
