import Foundation
import Testing

/// `systemd/local/run`, what `make run` ends in: starting, minding and ending nginx and the three services.
@Suite struct RunTests {
    @Test func `a run tells its address, a request to try and how to stop, and no faults`() throws {
        try withRun { served in
            let told = try served.output
            #expect(told.contains("serves \(served.root.path)\n"))
            #expect(told.contains("at https://localhost:\(served.port)/\n"))
            #expect(told.contains("Stop with Ctrl-C."))
            #expect(!told.contains("[crit]") && !told.contains("[error]"), "\(told)")
            let line = try #require(told.split(separator: "\n").first { $0.contains("curl -k '") })
            let answer = try run(["bash", "-c", "\(line) --silent --fail --max-time 10"])
            #expect(answer.status == 0)
            #expect(answer.output.contains("\"entradas\":"))
        }
    }

    @Test(arguments: ["mserv1", "mserv2", "gateway", "nginx"])
    func `what is killed is started again`(part: String) throws {
        try withRun { served in
            let killed = try #require(try served.pid(of: part))
            kill(killed, SIGKILL)
            try wait(for: "another \(part)") {
                let pid = try served.pid(of: part)
                return try pid != nil && pid != killed && served.isReady
            }
            #expect(try served.output.contains("\(part) ended (status 137); starting it again"))
        }
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP])
    func `a signal ends all of it within ten seconds and leaves nothing`(signal: Int32) throws {
        try withRun { served in
            let parts = try served.processes
            #expect(parts.count >= 5, "three services, nginx and its workers")
            #expect(try served.runtimeFolders.count == 1)
            kill(served.supervisor, signal)
            try wait(seconds: 10, for: "the run's end") { !served.isRunning }
            #expect(served.status == 0)
            #expect(try served.processes.isEmpty)
            #expect(try served.runtimeFolders.isEmpty)
        }
    }

    @Test func `with BROKER=yes it has a RabbitMQ of its own, which ends with it`() throws {
        try withRun(["BROKER=yes"]) { served in
            try wait(seconds: 20, for: "the broker") {
                try served.readiness.contains("\"rabbitmq\":{\"estado\":\"bien\"}")
            }
            let folder = try #require(try served.runtimeFolders.first)
            let node = try String(contentsOfFile: "\(folder)/broker/1/pid", encoding: .utf8)
            let pid = try #require(Int32(node.trimmingCharacters(in: .whitespacesAndNewlines)))
            #expect(kill(pid, 0) == 0)
            kill(served.supervisor, SIGTERM)
            try wait(seconds: 30, for: "the run's end") { !served.isRunning }
            #expect(kill(pid, 0) != 0)
            #expect(try served.runtimeFolders.isEmpty)
        }
    }

    @Test func `nothing outlives a supervisor that is killed`() throws {
        try withRun { served in
            kill(served.supervisor, SIGKILL)
            try wait(seconds: 10, for: "the parts' end") { try served.processes.isEmpty }
        }
    }

    @Test(arguments: [[], ["--check"]])
    func `a port in use is told in one line`(check: [String]) throws {
        try withRun { served in
            let other = try run([LocalRun.script, "PORT=\(served.port)"] + check)
            #expect(other.status == 1)
            #expect(other.output == "")
            #expect(
                other.errors == """
                    pasarela: port \(served.port) of 127.0.0.1 is in use; choose another: make run \
                    PORT=\(served.port + 1)\n
                    """)
            #expect(try served.isReady)
        }
    }

    @Test(arguments: [
        ("ROOT=/there/is/none", "ROOT=/there/is/none is no folder"),
        ("ROOT=none/here", "ROOT=\(Repository.folder.path)/none/here is no folder"),
        ("ROOT=/etc/passwd", "ROOT=/etc/passwd is no folder"),
        ("PORT=65536", "PORT=65536 is no port (1 to 65535)"),
        ("BROKER=perhaps", "BROKER=perhaps is neither yes nor no"),
        ("ADDRESS=here", "ADDRESS=here is no IPv4 or IPv6 address"),
    ])
    func `a bad value is told in one line, before anything is started`(
        setting: String, line: String
    ) throws {
        for check in [[], ["--check"]] {
            let result = try run([LocalRun.script, setting] + check, folder: Repository.folder)
            #expect(result.status == 78)
            #expect(result.output == "")
            #expect(result.errors == "pasarela: \(line)\n")
        }
    }

    @Test func `a relative ROOT is served as the folder that it names`() throws {
        try withRun(root: "docs/../docs/decisions", in: Repository.folder) { served in
            let expected = Repository.folder.appending(path: "docs/decisions").path
            let told = try served.output
            #expect(told.contains("serves \(expected)\n"))
        }
    }

    @Test func `the daemons' sockets are for their user alone`() throws {
        try withRun { served in
            let folder = try #require(try served.runtimeFolders.first)
            func mode(_ path: String) throws -> Int? {
                try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            }
            #expect(try mode(folder).map { $0 & 0o022 } == 0)
            #expect(try mode(folder + "/gateway.sock") == 0o660)
            #expect(try mode(folder + "/mserv1.sock") == 0o600)
            #expect(try mode(folder + "/mserv2.sock") == 0o600)
        }
    }

    @Test(.enabled(if: getuid() == 0))
    func `started by root, the services may not read what modes forbid`() throws {
        try withRun { served in
            for part in ["mserv1", "mserv2", "gateway"] {
                let pid = try #require(try served.pid(of: part))
                let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
                let line = try #require(
                    status.split(separator: "\n").first { $0.hasPrefix("CapEff:") })
                let effective = try #require(
                    UInt64(line.dropFirst(7).drop(while: \.isWhitespace), radix: 16))
                // CAP_DAC_OVERRIDE is 1, CAP_DAC_READ_SEARCH 2 (linux/capability.h).
                #expect(effective & 0b110 == 0, "\(part): \(line)")
            }
        }
    }

    /// Runs `body` beside a run that is ready; shows what the run printed where `body` throws.
    private func withRun(
        root: String? = nil, in folder: URL? = nil, _ settings: [String] = [],
        _ body: (LocalRun) throws -> Void
    ) throws {
        let served = try LocalRun(root: root, in: folder, settings)
        defer { served.stop() }
        do {
            // RabbitMQ takes some seconds, more on a busy machine.
            try wait(seconds: settings.isEmpty ? 20 : 120, for: "the run") {
                try served.output.contains("Stop with Ctrl-C.")
            }
            try body(served)
        } catch {
            print((try? served.output) ?? "")
            throw error
        }
    }
}
