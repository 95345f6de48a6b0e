private import Foundation
public import Glibc

/// RabbitMQ nodes of a test's own, on free ports of the loopback, gone with the process of the tests.
public final class RunningBroker: Sendable {
    /// What a program ended with.
    public struct Failure: Error, CustomStringConvertible {
        /// The program, its status, what it said.
        public let description: String
    }

    /// Node N's is at N-1.
    public let urls: [String]
    /// The same over TLS, with the name `localhost`; empty where no certificate was given.
    public let encryptedURLs: [String]

    private let folder: String
    private static let script: String = {
        // The package may be built beside the repository, with links to its folders.
        let here = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        return here.deletingLastPathComponent().appendingPathComponent(
            "../../systemd/local/broker"
        ).standardizedFileURL.path
    }()

    /// Starts nodes; returns when they serve: some 6 s for one, 20 s for three.
    public init(nodes: Int = 1, certificate: String? = nil, key: String? = nil) throws {
        var template = Array("/tmp/pasarela-broker-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure(description: "mkdtemp") }
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        chmod(folder, 0o755)
        var arguments = [folder, "start", "\(nodes)", "FOLLOW=\(getpid())", "REMOVE=yes"]
        if let certificate, let key { arguments += ["CERTIFICATE=\(certificate)", "KEY=\(key)"] }
        let lines = try Self.run(Self.script, arguments).split(separator: "\n").map(String.init)
        urls = lines.filter { $0.hasPrefix("amqp://") }
        encryptedURLs = lines.filter { $0.hasPrefix("amqps://") }
    }

    /// A node's process, of those that were started at some time.
    public func pid(node: Int = 1) throws -> pid_t {
        let text = try String(contentsOfFile: "\(folder)/\(node)/pid", encoding: .utf8)
        guard let pid = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)), pid > 1 else {
            throw Failure(description: "no pid of node \(node)")
        }
        return pid
    }

    /// Sends a node's process a signal. When SIGSTOP's returns, none of its threads runs any more.
    public func send(_ signal: CInt, node: Int = 1) throws {
        let pid = try pid(node: node)
        guard kill(pid, signal) == 0 else {
            throw Failure(description: "kill: \(String(cString: strerror(errno)))")
        }
        guard signal == SIGSTOP else { return }
        // The kernel lets one thread take the signal, and on a busy machine the others go on until that one is run.
        while try !Self.isStopped(pid) { usleep(1_000) }
    }

    private static func isStopped(_ pid: pid_t) throws -> Bool {
        let threads = "/proc/\(pid)/task"
        return try FileManager.default.contentsOfDirectory(atPath: threads).allSatisfy { thread in
            // A thread that has ended meanwhile runs no more either.
            guard
                let text = try? String(contentsOfFile: "\(threads)/\(thread)/stat", encoding: .utf8)
            else { return true }
            // What follows the name, which is in parentheses and may hold any byte.
            let state = text.split(separator: ")").last?.first { $0 != " " }
            return state == "T" || state == "Z" || state == "X"
        }
    }

    /// Starts a node that has died again; returns when it serves.
    public func again(node: Int = 1) throws {
        _ = try Self.run(Self.script, [folder, "again", "\(node)"])
    }

    /// `rabbitmqctl`.
    @discardableResult
    public func control(node: Int = 1, _ arguments: String...) throws -> String {
        try Self.run(Self.script, [folder, "ctl", "\(node)"] + arguments)
    }

    /// Runs a program and returns what it writes.
    @discardableResult
    public static func run(_ program: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        // Both in one: what went wrong is shown with the rest.
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let said = try output.fileHandleForReading.readToEnd() ?? Data()
        let text = String(decoding: said, as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(
                description: "\(program) \(arguments): \(process.terminationStatus) \(text)")
        }
        return text
    }
}
