import Foundation

/// `systemd/local/run` at work, with what was built, on a port and in folders of its own.
struct LocalRun {
    static let script = Repository.folder.appending(path: "systemd/local/run").path

    let port: Int
    /// What is served, where no other is asked for: empty.
    let root: URL
    private let scratch: TemporaryFolder
    private let process = Process()

    /// Starts it.
    ///
    /// - Parameters:
    ///   - root: ROOT's value; nil: an empty folder.
    ///   - folder: where it is started.
    ///   - settings: more of its arguments, NAME=VALUE.
    init(root asked: String?, in folder: URL?, _ settings: [String]) throws {
        port = try freePort()
        scratch = try TemporaryFolder()
        root = try scratch.folder("root")
        // A shell can't trap what was ignored when it began, as SIGINT and SIGHUP may be here.
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            [
                "--default-signal=INT,HUP,TERM", Self.script, "ROOT=\(asked ?? root.path)",
                "PORT=\(port)", "STATE=\(scratch.path)/state", "BIN=\(Repository.binaries.path)",
            ] + settings
        process.environment = ProcessInfo.processInfo.environment
            .filter { !$0.key.hasPrefix("PASARELA_") && $0.key != "XDG_RUNTIME_DIR" }
        process.currentDirectoryURL = folder
        process.standardInput = FileHandle.nullDevice
        let output = try FileHandle(forWritingTo: scratch.file("output"))
        process.standardOutput = output
        process.standardError = output
        try process.run()
    }

    var supervisor: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }
    /// How it ended.
    var status: Int32 { process.terminationStatus }

    /// What it printed so far.
    var output: String {
        get throws {
            let data = try Data(contentsOf: scratch.url.appending(path: "output"))
            return String(decoding: data, as: UTF8.self)
        }
    }

    /// Its folders for sockets: one while it runs, none afterwards.
    var runtimeFolders: [String] {
        get throws {
            try FileManager.default.contentsOfDirectory(atPath: "/tmp")
                .filter { $0.hasPrefix("pasarela-\(port)-") }
                .map { "/tmp/\($0)" }
        }
    }

    /// Whether the whole way answers.
    var isReady: Bool {
        get throws { try !readiness.isEmpty }
    }

    /// What `/salud/listo` says; empty where it is not 200.
    var readiness: String {
        get throws {
            try run([
                "curl", "--silent", "--fail", "--max-time", "5", "--cacert",
                "\(scratch.path)/state/certificate.pem", "https://localhost:\(port)/salud/listo",
            ]).output
        }
    }

    /// All processes that belong to it, other than the supervisor: their standard error is its output.
    ///
    /// nginx's workers show no environment that they could be known by.
    var processes: [Int32] {
        get throws {
            let output = scratch.url.appending(path: "output").path
            let files = FileManager.default
            return try files.contentsOfDirectory(atPath: "/proc")
                .compactMap { Int32($0) }
                .filter { pid in
                    // A process may end while it is looked at, and a stranger's may not be looked at.
                    let errors = try? files.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/2")
                    return pid != supervisor && errors == output
                }
        }
    }

    /// The process of a part: of nginx the master.
    func pid(of part: String) throws -> Int32? {
        try processes.first { pid in
            let file = "/proc/\(pid)/status"
            // It may have ended meanwhile.
            let lines = ((try? String(contentsOfFile: file, encoding: .utf8)) ?? "")
                .split(separator: "\n")
            return lines.contains("Name:\t\(part)") && lines.contains("PPid:\t\(supervisor)")
        }
    }

    /// Ends it and removes its folders.
    func stop() {
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        for folder in (try? runtimeFolders) ?? [] {
            // What can't be removed is the temporary folder's own matter: the test has ended.
            try? FileManager.default.removeItem(atPath: folder)
        }
        scratch.remove()
    }
}
