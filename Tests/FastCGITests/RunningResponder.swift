internal import FastCGI
internal import Glibc
internal import Testing

/// A responder on a Unix socket in a folder of its own, stopped and cleaned up at the end.
final class RunningResponder {
    let path: String
    let responder: Responder
    /// The bytes of this name that Linux shows of its threads.
    let threadName: String
    private let folder: String

    init(
        _ change: (inout ResponderConfiguration) -> Void = { _ in },
        handler: @escaping @Sendable (Request) -> Response = RunningResponder.echo
    ) throws {
        var template = Array("/tmp/pasarela-fcgi-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        folder = try #require(made)
        path = folder + "/s"
        threadName = "f" + folder.suffix(6)
        var configuration = ResponderConfiguration(workers: 4)
        configuration.threadName = threadName
        change(&configuration)
        responder = Responder(configuration: configuration, handler: handler)
        try responder.start(listeningOn: try Self.listen(path))
    }

    deinit {
        responder.stop(within: .zero)
        unlink(path)
        rmdir(folder)
    }

    static func listen(_ path: String) throws -> CInt {
        let listener = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        try #require(UnixAddress(path).with { bind(listener, $0, $1) } == 0)
        try #require(Glibc.listen(listener, 1_024) == 0)
        return listener
    }

    /// Method, target and header `X-Echo`.
    static let echo: @Sendable (Request) -> Response = { request in
        let text = String(decoding: request.target, as: UTF8.self)
        let answer = "\(request.method) \(text) \(request.header("X-Echo") ?? "-")"
        return Response(
            status: 200, headers: [("Content-Length", "\(answer.utf8.count)")],
            body: Array(answer.utf8))
    }

    func client() throws -> FastCGIClient { try FastCGIClient(path: path) }

    /// Open sockets of this process, listener included, that are bound to the path.
    func openSockets() throws -> Int {
        try Self.names(in: "/proc/self/fd").count { name in
            var address = sockaddr_un()
            var size = socklen_t(MemoryLayout<sockaddr_un>.size)
            let result = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    getsockname(CInt(name) ?? -1, $0, &size)
                }
            }
            return result == 0 && UnixAddress(address).path == path
        }
    }

    /// Whether so many are left, soon: a peer sees its connection's end a moment before the number is free.
    func settles(atOpenSockets count: Int) throws -> Bool {
        for _ in 0..<5_000 {
            if try openSockets() == count { return true }
            usleep(1_000)
        }
        return false
    }

    /// Threads of this process with the responder's name.
    func threads() throws -> Int {
        try Self.names(in: "/proc/self/task").count { task in
            // One that has just ended has no file any more.
            let descriptor = open("/proc/self/task/\(task)/comm", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return false }
            defer { close(descriptor) }
            var name = [UInt8](repeating: 0, count: 16)
            let count = read(descriptor, &name, name.count)
            return name.prefix(max(0, count)).starts(with: threadName.utf8)
        }
    }

    static func names(in folder: String) throws -> [String] {
        let folder = try #require(opendir(folder))
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }
}
