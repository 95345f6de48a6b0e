import Foundation
import Testing

/// The executables as an operator meets them: help, version, configuration, signals, by hand.
@Suite struct ConfigurationTests {
    static let services = ["gateway", "mserv1", "mserv2"]
    static let daemons = ["mserv1", "mserv2"]

    private func service(
        _ name: String, _ arguments: [String] = [], _ environment: [String: String] = [:]
    ) throws -> CommandResult {
        // Root's own state folder is the machine's.
        let state = try TemporaryFolder()
        defer { state.remove() }
        let given = ["PASARELA_STATE_DIR": state.path].merging(environment) { _, new in new }
        return try run(
            [Repository.binaries.appending(path: name).path] + arguments, environment: given,
            seconds: 20)
    }

    @Test(arguments: services)
    func `help names each variable with its default`(name: String) throws {
        let help = try service(name, ["--help"])
        #expect(help.status == 0)
        var variables = [
            "PASARELA_RUNTIME_DIR", "PASARELA_LOG_LEVEL", "PASARELA_LOG_REQUESTS",
            "PASARELA_SLOW_REQUEST", "PASARELA_SOCKET_MODE",
        ]
        switch name {
        case "gateway":
            variables += [
                "PASARELA_STATE_DIR", "PASARELA_WORKERS", "PASARELA_PATIENCE", "PASARELA_DEADLINE",
                "PASARELA_GATEWAY_SOCKET", "PASARELA_MSERV1_SOCKET", "PASARELA_MSERV2_SOCKET",
                "PASARELA_BACKLOG_TICKETS", "PASARELA_BACKLOG_BYTES", "PASARELA_TICKET_LIFE",
                "PASARELA_ANSWER_LIFE", "PASARELA_TRACE_LIFE", "PASARELA_TICKET_ATTEMPTS",
                "PASARELA_REPLAY_RATE", "PASARELA_RABBITMQ_URL", "PASARELA_TREE",
                "PASARELA_RABBITMQ_CREDENTIALS_FILE", "PASARELA_RABBITMQ_CA_FILE",
                "PASARELA_TREE_KEY_FILE", "PASARELA_METRICS", "PASARELA_CONTROL_SOCKET",
            ]
        case "mserv1": variables += ["PASARELA_ROOT", "PASARELA_HIDDEN", "PASARELA_MSERV1_SOCKET"]
        default:
            variables += [
                "PASARELA_ROOT", "PASARELA_HIDDEN", "PASARELA_MSERV2_SOCKET",
                "PASARELA_WALK_BUDGET",
            ]
        }
        for variable in variables {
            // From its name to the next one's.
            let row = help.output.components(separatedBy: "\n  \(variable)").dropFirst().first?
                .components(separatedBy: "\n  PASARELA_").first
            #expect(
                ["default", "must be set", "may be left out"]
                    .contains { row?.contains($0) == true },
                "\(variable): \(help.output)")
        }
    }

    @Test(arguments: services)
    func `the version is told`(name: String) throws {
        let version = try service(name, ["--version"])
        #expect(version.status == 0)
        #expect(version.output.wholeMatch(of: /\d+\.\d+\.\d+\n/) != nil)
    }

    @Test(arguments: [
        ("gateway", "PASARELA_WORKERS", "many"), ("gateway", "PASARELA_WORKERS", "0"),
        ("gateway", "PASARELA_PATIENCE", "-1"), ("gateway", "PASARELA_PATIENCE", "31"),
        ("gateway", "PASARELA_DEADLINE", "1.2345"), ("gateway", "PASARELA_STATE_DIR", "state"),
        ("gateway", "PASARELA_BACKLOG_TICKETS", "0"), ("gateway", "PASARELA_TICKET_LIFE", "0"),
        ("gateway", "PASARELA_METRICS", "me"), ("gateway", "PASARELA_TREE", "a b"),
        ("gateway", "PASARELA_TREE_KEY_FILE", "key"), ("gateway", "PASARELA_LOG_LEVEL", "loud"),
        ("gateway", "PASARELA_SOCKET_MODE", "999"),
        ("mserv1", "PASARELA_HIDDEN", "true"), ("mserv1", "PASARELA_ROOT", "relative"),
        ("mserv1", "PASARELA_ROOT", ""), ("mserv1", "PASARELA_RPC_THREADS", "1e3"),
        ("mserv2", "PASARELA_WALK_BUDGET", "soon"), ("mserv2", "PASARELA_LOG_REQUESTS", "1"),
        ("mserv2", "PASARELA_RUNTIME_DIR", "a\nb"),
    ])
    func `a bad value is one line with the variable, the value and what it takes`(
        name: String, variable: String, value: String
    ) throws {
        for arguments in [[], ["--check-config"]] {
            let result = try service(
                name, arguments, ["PASARELA_ROOT": "/"].merging([variable: value]) { _, new in new }
            )
            #expect(result.status == 78)
            let lines = result.errors.split(separator: "\n")
            #expect(lines.count == 1)
            let shown = value.replacing("\n", with: "\\x0a")
            #expect(
                lines.first?.contains("\(variable)=\(shown): takes ") == true, "\(result.errors)")
        }
    }

    @Test(arguments: [
        ([:], "PASARELA_TREE: is not set"),
        (["PASARELA_TREE": "tree"], "PASARELA_TREE_KEY_FILE: is not set"),
        (
            ["PASARELA_TREE": "tree", "PASARELA_TREE_KEY_FILE": "/dev/null"],
            "PASARELA_TREE_KEY_FILE: /dev/null: has 0 bytes"
        ),
        (["PASARELA_RABBITMQ_URL": "http://u:secret@h"], "PASARELA_RABBITMQ_URL: "),
    ])
    func `a broker needs a tree's name and key, and no secret is told`(
        settings: [String: String], line: String
    ) throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let given = [
            "PASARELA_STATE_DIR": folder.path, "PASARELA_RABBITMQ_URL": "amqp://u:secret@h",
        ]
        var environment = given.merging(settings) { _, new in new }
        if settings["PASARELA_RABBITMQ_URL"] != nil {
            environment["PASARELA_TREE"] = "tree"
            environment["PASARELA_TREE_KEY_FILE"] = try folder.file(
                "key", String(repeating: "k", count: 32)
            ).path
        }
        let result = try service("gateway", ["--check-config"], environment)
        #expect(result.status == 78)
        #expect(result.errors.contains(line), "\(result.errors)")
        #expect(!result.errors.contains("secret"))
    }

    @Test(arguments: daemons)
    func `a root that is missing or no folder is one line of the check and exit 78`(name: String)
        throws
    {
        for (root, reason) in [
            ("/nowhere/at/all", "does not exist"), ("/etc/passwd", "is not a folder"),
        ] {
            let result = try service(name, ["--check-config"], ["PASARELA_ROOT": root])
            #expect(result.status == 78)
            #expect(result.errors == "\(name): PASARELA_ROOT: \(root) \(reason)\n")
        }
        let absent = try service(name)
        #expect(absent.status == 78)
        #expect(absent.errors.contains("PASARELA_ROOT: is not set"))
    }

    @Test(arguments: services)
    func `a variable that nobody knows is refused`(name: String) throws {
        let result = try service(
            name, ["--check-config"], ["PASARELA_ROOT": "/", "PASARELA_ROTO": "/srv"])
        #expect(result.status == 78)
        #expect(result.errors.contains("PASARELA_ROTO"))
    }

    @Test(arguments: services)
    func `a good configuration is said to be good, and nothing is started`(name: String) throws {
        let result = try service(name, ["--check-config"], ["PASARELA_ROOT": "/"])
        #expect(result.status == 0)
        #expect(result.output.contains("good"))
    }

    @Test func `a second service on the same socket is refused in one line`() throws {
        try withRunningPasarela { pasarela in
            for name in Self.services {
                let second = try service(
                    name, [],
                    [
                        "PASARELA_ROOT": "/", "PASARELA_RUNTIME_DIR": pasarela.runtimeFolder,
                        "PASARELA_STATE_DIR": pasarela.folder.path + "/state",
                    ])
                #expect(second.status == 1)
                let lines = second.errors.split(separator: "\n")
                #expect(lines.count == 2 && lines[0].contains("starting"))
                #expect(lines[1].contains("another process listens there"))
            }
            #expect(try pasarela.curl("/listar_archivos").status == 200)
        }
    }

    @Test func `started by hand with the root alone, the three find each other`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let root = try folder.folder("root")
        try Data().write(to: root.appending(path: "by hand"))
        // Nobody in particular: root's own places are the machine's.
        let asNobody =
            getuid() == 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []
        let home = try folder.folder("home")
        let state = try folder.folder("state")
        for place in [home, state] { chmod(place.path, 0o777) }
        let environment = [
            "PASARELA_ROOT": root.path, "XDG_RUNTIME_DIR": home.path, "XDG_STATE_HOME": state.path,
        ]
        let log = try FileHandle(forWritingTo: folder.file("log"))
        let processes = try Self.services.map { name in
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = asNobody + [Repository.binaries.appending(path: name).path]
            process.environment = ProcessInfo.processInfo.environment
                .filter { !$0.key.hasPrefix("PASARELA_") }
                .merging(environment) { _, new in new }
            process.standardError = log
            try process.run()
            return process
        }
        defer {
            for process in processes {
                if process.isRunning { kill(process.processIdentifier, SIGTERM) }
                process.waitUntilExit()
            }
        }
        let certificate = try run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", folder.path + "/key.pem", "-out", folder.path + "/cert.pem",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
        ])
        #expect(certificate.status == 0)
        let port = try freePort()
        let prefix = try folder.folder("nginx").path
        let rendered = try run([
            Repository.folder.appending(path: "nginx/render").path, "PREFIX=\(prefix)",
            "CERTIFICATE=\(folder.path)/cert.pem", "KEY=\(folder.path)/key.pem", "PORT=\(port)",
            "GATEWAY_SOCKET=\(home.path)/pasarela/gateway.sock",
        ])
        let configuration = try folder.file("nginx.conf", rendered.output)
        let nginx = Process()
        nginx.executableURL = URL(filePath: "/usr/sbin/nginx")
        nginx.arguments = ["-p", prefix, "-c", configuration.path]
        nginx.standardError = log
        try nginx.run()
        defer {
            kill(nginx.processIdentifier, SIGTERM)
            nginx.waitUntilExit()
        }
        var body = ""
        do {
            try wait(for: "an answer") {
                body = try run([
                    "curl", "--silent", "--fail", "--cacert", folder.path + "/cert.pem",
                    "https://localhost:\(port)/buscar_archivos?q=hand",
                ]).output
                return !body.isEmpty
            }
        } catch {
            print(try String(contentsOf: folder.url.appending(path: "log"), encoding: .utf8))
            throw error
        }
        #expect(body.contains("\"nombre\":\"by hand\""))
    }
}
