internal import CLinux
internal import Glibc
internal import Testing

internal import Threads

@testable internal import RPC

/// A folder of its own with the path of a socket in it; gone when this is.
final class TemporarySocket: Sendable {
    let folder: String
    let path: String

    init() throws {
        var template = Array("/tmp/pasarela-rpc-XXXXXX".utf8CString)
        let name = try #require(mkdtemp(&template))
        folder = String(cString: name)
        path = folder + "/server.sock"
    }

    deinit {
        unlink(path)
        rmdir(folder)
    }

    /// A listening descriptor, on a path that may have served before.
    func listen() throws -> CInt {
        unlink(path)
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        try #require(descriptor >= 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
        try #require(Glibc.listen(descriptor, 128) == 0)
        return descriptor
    }
}

/// A server on a temporary socket, with a channel to it.
struct TestServer {
    let socket: TemporarySocket
    let server: RPCServer
    let channel: RPCChannel

    init(
        _ handlers: [String: RPCHandler],
        _ configuration: RPCServerConfiguration = RPCServerConfiguration(),
        on socket: TemporarySocket? = nil
    ) throws {
        let socket = try socket ?? TemporarySocket()
        self.socket = socket
        server = RPCServer(handlers: handlers, configuration: configuration)
        try server.start(listeningOn: try socket.listen())
        channel = RPCChannel(unixSocket: socket.path)
    }

    func stop() {
        channel.shutdown()
        server.stop(within: .seconds(5))
    }
}

/// Starts a server for the test, and stops it however the test ends.
func withServer(
    _ handlers: [String: RPCHandler],
    _ configuration: RPCServerConfiguration = RPCServerConfiguration(),
    _ body: (TestServer) throws -> Void
) throws {
    let server = try TestServer(handlers, configuration)
    defer { server.stop() }
    try body(server)
}

/// Runs `body` on that many threads at once and returns when all have ended.
func concurrently(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) throws {
    var threads: [WorkerThread] = []
    for index in 0..<count {
        threads.append(try WorkerThread(name: "test-\(index)") { body(index) })
    }
    for thread in threads { thread.join() }
}

/// The error that `body` throws.
func errorOf<Result>(_ body: () throws(RPCError) -> Result) -> RPCError? {
    do {
        _ = try body()
        return nil
    } catch {
        return error
    }
}

extension RPCDeadline {
    /// Long enough for whatever must succeed.
    static var ample: RPCDeadline { RPCDeadline(after: .seconds(20)) }
}

/// Something that happens once, to be waited for.
final class Event: Sendable {
    private let state = Monitor(false)

    func happen() {
        state.update(waking: .all) { $0 = true }
    }

    /// - Returns: whether it happened in time.
    func wait(_ patience: Duration = .seconds(20)) -> Bool {
        state.wait(until: RPCDeadline(after: patience).monotonic) { $0 ? true : nil } ?? false
    }
}

extension RPCChannel {
    /// Hands each message of a stream to `receive`, which may end it by an error.
    func stream(
        _ method: String, _ request: [UInt8], deadline: RPCDeadline,
        receive: ([UInt8]) throws(RPCError) -> Void
    ) throws(RPCError) {
        let stream = try open(method, request, deadline: deadline)
        while let message = try stream.next(within: .seconds(Int64.max)) { try receive(message) }
    }
}
