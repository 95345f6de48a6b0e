import Foundation
import Testing

/// `systemd/local/packages`, where it has nothing to install: it changes nothing and asks for nothing.
@Suite struct PackagesTests {
    private static let script = Repository.folder.appending(path: "systemd/local/packages").path

    @Test(arguments: ["run", "test"])
    func `with everything installed it does nothing, and without root`(group: String) throws {
        // Commands that say so in place of those that would do something.
        let scratch = try TemporaryFolder()
        defer { scratch.remove() }
        for command in ["apt-get", "sudo", "mktemp", "update-rc.d"] {
            let file = try scratch.file(command, "#!/bin/sh\necho called \(command)\nexit 1\n")
            try #require(chmod(file.path, 0o755) == 0)
        }
        // A copy: the other user may not be able to enter the repository.
        let copy = scratch.url.appending(path: "packages")
        try FileManager.default.copyItem(at: URL(filePath: Self.script), to: copy)
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        let user = getuid() == 0 ? ["setpriv", "--reuid=65534", "--clear-groups", "--"] : []
        let result = try run(
            user + [copy.path, group], environment: ["PATH": "\(scratch.path):\(path)"],
            folder: scratch.url)
        #expect(result.status == 0, "\(result.output)\(result.errors)")
        #expect(result.output == "")
        #expect(result.errors == "")
    }

    @Test func `a group that does not exist is refused`() throws {
        let result = try run([Self.script, "nothing"])
        #expect(result.status == 64)
        #expect(result.errors == "packages: there is no group nothing\n")
    }
}
