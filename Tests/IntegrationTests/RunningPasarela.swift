import Foundation
import Synchronization

/// The whole product, running: the real nginx and the real three services on free ports in a folder of their own.
final class RunningPasarela: Sendable {
    /// A part that can be stopped and started by itself.
    enum Part: String, Sendable, CaseIterable {
        case mserv1
        case mserv2
        case gateway
        case nginx
    }

    let folder: TemporaryFolder
    let port: Int
    /// What is served: empty at first.
    let root: URL
    let servesHidden: Bool
    private let settings: [String: String]
    private let processes = Mutex<[Part: Process]>([:])

    /// The address.
    var url: String { "https://localhost:\(port)" }
    var certificate: String { folder.path + "/certificate.pem" }
    var runtimeFolder: String { folder.path + "/sockets" }
    var accessLog: String { folder.path + "/access.log" }

    /// Starts all of it and waits until it is ready.
    ///
    /// - Parameters:
    ///   - root: what to serve; nil: an empty folder.
    ///   - settings: further variables of the services.
    init(
        root served: URL? = nil, hidden: Bool = true, settings: [String: String] = [:]
    ) throws {
        folder = try TemporaryFolder()
        port = try freePort()
        root = try served ?? folder.folder("root")
        servesHidden = hidden
        self.settings = settings
        for name in ["sockets", "state", "nginx"] { _ = try folder.folder(name) }
        do {
            try makeCertificate()
            try renderNginx()
            for part in Part.allCases { try start(part) }
            try wait(for: "readiness") { try curl("/salud/listo").status == 200 }
        } catch {
            report()
            stop()
            throw error
        }
    }

    private func makeCertificate() throws {
        let made = try run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", folder.path + "/key.pem", "-out", certificate, "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        ])
        guard made.status == 0 else { throw CommandFailure(made) }
    }

    private func renderNginx() throws {
        let rendered = try run([
            Repository.folder.appending(path: "nginx/render").path, "PREFIX=\(folder.path)/nginx",
            "CERTIFICATE=\(certificate)", "KEY=\(folder.path)/key.pem",
            "GATEWAY_SOCKET=\(runtimeFolder)/gateway.sock", "PORT=\(port)",
            "ACCESS_LOG=\(accessLog)",
        ])
        guard rendered.status == 0 else { throw CommandFailure(rendered) }
        _ = try folder.file("nginx.conf", rendered.output)
    }

    /// Starts a part that does not run.
    func start(_ part: Part) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        // Root reads every folder; the services must not, or what they may not read could not be tested.
        let unprivileged =
            getuid() == 0
            ? [
                "setpriv", "--bounding-set=-dac_override,-dac_read_search",
                "--inh-caps=-dac_override,-dac_read_search",
            ]
            : []
        switch part {
        case .nginx:
            process.arguments = [
                "nginx", "-p", folder.path + "/nginx", "-c", folder.path + "/nginx.conf",
            ]
        case .gateway, .mserv1, .mserv2:
            process.arguments =
                unprivileged + [Repository.binaries.appending(path: part.rawValue).path]
        }
        var environment = ProcessInfo.processInfo.environment
            .filter { !$0.key.hasPrefix("PASARELA_") }
        environment["PATH"] = (environment["PATH"] ?? "/usr/bin") + ":/usr/sbin"
        environment["PASARELA_RUNTIME_DIR"] = runtimeFolder
        environment["PASARELA_STATE_DIR"] = folder.path + "/state"
        environment["PASARELA_ROOT"] = root.path
        environment["PASARELA_HIDDEN"] = servesHidden ? "yes" : "no"
        process.environment = environment.merging(settings) { _, new in new }
        process.standardInput = FileHandle.nullDevice
        let log = logFile(of: part)
        if !FileManager.default.fileExists(atPath: log.path) { try Data().write(to: log) }
        let handle = try FileHandle(forWritingTo: log)
        try handle.seekToEnd()
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        processes.withLock { $0[part] = process }
    }

    /// Ends a part by a signal and waits for its end.
    ///
    /// - Returns: its exit status.
    @discardableResult
    func end(_ part: Part, by signal: Int32 = SIGTERM) -> Int32 {
        guard let process = processes.withLock({ $0.removeValue(forKey: part) }) else { return -1 }
        if process.isRunning { kill(process.processIdentifier, signal) }
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// A part's process id.
    func pid(of part: Part) -> Int32? {
        processes.withLock { $0[part]?.processIdentifier }
    }

    private func logFile(of part: Part) -> URL {
        folder.url.appending(path: "\(part.rawValue).log")
    }

    /// What a part wrote to its standard error so far.
    func log(of part: Part) throws -> String {
        String(decoding: try Data(contentsOf: logFile(of: part)), as: UTF8.self)
    }

    /// Waits until a part has said that it is ready, for the `count`th time.
    func awaitLife(_ count: Int, of part: Part) throws {
        try wait(for: "\(part) to be ready") {
            try log(of: part).components(separatedBy: " ready: ").count > count
        }
    }

    /// Ends all parts and removes the folder.
    func stop() {
        for part in Part.allCases.reversed() { end(part) }
        folder.remove()
    }

    /// Shows the logs: for a test that failed.
    func report() {
        for part in Part.allCases {
            // A part that never started has no log.
            let text = (try? log(of: part)) ?? ""
            print("---- \(part.rawValue)\n\(text.suffix(4_000))")
        }
    }

    /// One answer over HTTPS, by curl.
    struct HTTPAnswer: Sendable {
        let status: Int
        let headers: [String: String]
        let body: String
        let seconds: Double
    }

    /// Asks with curl. Status 0: no answer.
    func curl(_ target: String, _ options: [String] = []) throws -> HTTPAnswer {
        let result = try run(
            [
                "curl", "--silent", "--include", "--http1.1", "--max-time", "20", "--cacert",
                certificate, "--write-out", "\n%{http_code} %{time_total}",
            ] + options + [url + target])
        let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
        let timing = lines.last?.split(separator: " ") ?? []
        let text = lines.dropLast().joined(separator: "\n")
        let parts = text.components(separatedBy: "\r\n\r\n")
        var headers: [String: String] = [:]
        for line in parts[0].components(separatedBy: "\r\n").dropFirst() {
            let pair = line.split(separator: ":", maxSplits: 1)
            guard pair.count == 2 else { continue }
            headers[pair[0].lowercased()] = pair[1].trimmingCharacters(in: .whitespaces)
        }
        return HTTPAnswer(
            status: timing.first.flatMap { Int($0) } ?? 0, headers: headers,
            body: parts.dropFirst().joined(separator: "\r\n\r\n"),
            seconds: timing.count == 2 ? Double(timing[1]) ?? 0 : 0)
    }
}

/// A command that should have succeeded.
struct CommandFailure: Error, CustomStringConvertible {
    let result: CommandResult
    init(_ result: CommandResult) { self.result = result }
    var description: String { "status \(result.status): \(result.errors)\(result.output)" }
}

/// Runs `body` beside a running Pasarela; shows its logs where `body` throws.
func withRunningPasarela(
    root: URL? = nil, hidden: Bool = true, settings: [String: String] = [:],
    _ body: (RunningPasarela) throws -> Void
) throws {
    let pasarela = try RunningPasarela(root: root, hidden: hidden, settings: settings)
    defer { pasarela.stop() }
    do {
        try body(pasarela)
    } catch {
        pasarela.report()
        throw error
    }
}
