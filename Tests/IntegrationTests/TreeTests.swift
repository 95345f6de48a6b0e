import Foundation
import Testing

/// What happens when the served tree itself goes, comes back or is replaced.
@Suite struct TreeTests {
    @Test func `a tree that is taken away is told of, and one in its place is served`() throws {
        try withRunningPasarela { pasarela in
            let files = FileManager.default
            let targets = ["/listar_archivos", "/buscar_archivos?tipo=archivo"]
            try Data().write(to: pasarela.root.appending(path: "old"))
            for target in targets { #expect(try pasarela.curl(target).body.contains("\"old\"")) }
            let aside = pasarela.folder.url.appending(path: "aside")
            try files.moveItem(at: pasarela.root, to: aside)
            for target in targets {
                let absent = try pasarela.curl(target)
                #expect(absent.status == 503)
                #expect(absent.headers["retry-after"] == "1")
                #expect(absent.body.contains("servicio_ausente"))
            }
            for part in [RunningPasarela.Part.mserv1, .mserv2] {
                #expect(
                    try pasarela.log(of: part).contains(
                        "error \(part.rawValue): the tree is not there: the served tree"))
            }
            try files.createDirectory(at: pasarela.root, withIntermediateDirectories: false)
            try Data().write(to: pasarela.root.appending(path: "new"))
            for target in targets {
                let answer = try pasarela.curl(target)
                #expect(answer.status == 200)
                #expect(answer.body.contains("\"new\"") && !answer.body.contains("\"old\""))
            }
        }
    }

    @Test
    func `the gateway ends within five seconds while a daemon hangs, and the client has an answer`()
        throws
    {
        try withRunningPasarela { pasarela in
            let daemon = try #require(pasarela.pid(of: .mserv1))
            #expect(try pasarela.curl("/listar_archivos").status == 200)
            kill(daemon, SIGSTOP)
            defer { kill(daemon, SIGCONT) }
            let client = Process()
            client.executableURL = URL(filePath: "/usr/bin/env")
            let output = try pasarela.folder.file("answer")
            client.arguments = [
                "curl", "--silent", "--insecure", "--max-time", "20", "--write-out", "%{http_code}",
                pasarela.url + "/listar_archivos",
            ]
            client.standardOutput = try FileHandle(forWritingTo: output)
            let gateway = try #require(pasarela.pid(of: .gateway))
            let before = try Self.writes(of: gateway)
            try client.run()
            // A request's records are written to a pipe once they are whole: one write(2) more of the gateway's.
            try wait(for: "the request in flight") { try Self.writes(of: gateway) > before }
            let start = ContinuousClock.now
            #expect(pasarela.end(.gateway) == 0)
            #expect(ContinuousClock.now - start < .seconds(6))
            client.waitUntilExit()
            let answer = try String(contentsOf: output, encoding: .utf8)
            #expect(answer.hasSuffix("503") || answer.hasSuffix("504"), "\(answer)")
        }
    }

    /// How many write(2) a process has made (proc_pid_io(5)).
    private static func writes(of pid: Int32) throws -> Int {
        let counters = try String(contentsOfFile: "/proc/\(pid)/io", encoding: .utf8)
        let line = counters.split(separator: "\n").first { $0.hasPrefix("syscw:") }
        return line.flatMap { Int($0.dropFirst(7)) } ?? 0
    }
}
