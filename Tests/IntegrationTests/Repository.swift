import Foundation

/// Where the repository and what was built from it are.
enum Repository {
    /// The repository's folder.
    static let folder = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    /// The folder of gateway, mserv1 and mserv2: beside the tests that run.
    static let binaries = folder.appending(path: ".build/release")
    /// The virtual environment of the Python clients.
    static let python = folder.appending(path: ".venv/bin/python").path
}

/// What a command printed and how it ended.
struct CommandResult: Sendable {
    let status: Int32
    let output: String
    let errors: String
}

/// Runs a command to its end.
///
/// - Parameter seconds: it is ended after so long.
func run(
    _ arguments: [String], environment: [String: String] = [:], folder: URL? = nil,
    seconds: Int = 60
) throws -> CommandResult {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["timeout", "--kill-after=5", "\(seconds)"] + arguments
    process.environment = ProcessInfo.processInfo.environment
        .filter { !$0.key.hasPrefix("PASARELA_") }
        .merging(environment) { _, new in new }
    process.currentDirectoryURL = folder
    process.standardInput = FileHandle.nullDevice
    // Files, not pipes: nothing blocks, whatever is printed.
    let scratch = try TemporaryFolder()
    defer { scratch.remove() }
    let output = try scratch.file("output")
    let errors = try scratch.file("errors")
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    process.waitUntilExit()
    return CommandResult(
        status: process.terminationStatus,
        output: String(decoding: try Data(contentsOf: output), as: UTF8.self),
        errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
}

/// A folder of a test's own, which others may enter (nginx's workers have to).
struct TemporaryFolder: Sendable {
    let url: URL
    var path: String { url.path }

    init() throws {
        var template = Array("/tmp/pasarela-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
        }
        let path = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        url = URL(filePath: path)
        chmod(path, 0o755)
    }

    /// Makes an empty file.
    func file(_ name: String, _ text: String = "") throws -> URL {
        let file = url.appending(path: name)
        try Data(text.utf8).write(to: file)
        return file
    }

    /// Makes a folder.
    func folder(_ name: String) throws -> URL {
        let folder = url.appending(path: name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    /// Removes it with all that is in it.
    func remove() {
        // What can't be removed is the temporary folder's own matter: the test has ended.
        try? FileManager.default.removeItem(at: url)
    }
}

/// A TCP port that nobody listens on now.
///
/// At random beneath the range that the kernel gives to clients (32,768 and up): none of them takes it meanwhile.
func freePort() throws -> Int {
    while true {
        let port = Int.random(in: 10_000..<32_000)
        let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard probe >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        defer { close(probe) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let isFree = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(probe, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        if isFree { return port }
    }
}

/// Waits until a condition holds; looks every 5 ms, because nothing tells of it.
func wait(seconds: Double = 10, for what: String, until holds: () throws -> Bool) throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while try !holds() {
        guard ContinuousClock.now < end else { throw WaitTimeout(what: what) }
        usleep(5_000)
    }
}

/// A condition that did not come to hold.
struct WaitTimeout: Error, CustomStringConvertible {
    let what: String
    var description: String { "waited in vain for \(what)" }
}
