import Glibc
import RPC
import TestSupport
import Testing

/// A server in a folder of its own, with a channel to it.
struct ServedProtocol {
    let channel: RPCChannel
    private let server: RPCServer
    private let folder: TemporaryFolder

    private init(_ handlers: [String: RPCHandler]) throws {
        folder = try TemporaryFolder()
        let path = "\(folder.path)/s"
        let listener = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0 && listen(listener, 16) == 0)
        server = RPCServer(
            handlers: handlers,
            configuration: RPCServerConfiguration(unaryThreads: 1, streamThreads: 8))
        try server.start(listeningOn: listener)
        channel = RPCChannel(unixSocket: path)
    }

    /// Serves while `body` runs.
    static func run(_ handlers: [String: RPCHandler], _ body: (RPCChannel) throws -> Void) throws {
        let served = try ServedProtocol(handlers)
        defer {
            served.channel.shutdown()
            served.server.stop(within: .seconds(5))
        }
        try body(served.channel)
    }
}

extension RPCDeadline {
    /// Long enough for whatever must succeed.
    static var ample: RPCDeadline { RPCDeadline(after: .seconds(30)) }
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
