private import Foundation
public import RPC
private import SwiftProtobuf

/// The standard health service (`grpc.health.v1.Health`, Check and Watch): `""` and each service by its full name.
public final class HealthService: Sendable {
    static let check = "/grpc.health.v1.Health/Check"
    static let watch = "/grpc.health.v1.Health/Watch"

    private let names: Set<String>
    private let state = ServingState()

    /// Health of a server with these services. It serves until ``stop()``.
    public init(services: [String]) {
        names = Set(services + [""])
    }

    /// From now on nothing is served: whoever watches is told, and each watch ends.
    public func stop() {
        state.stop()
    }

    /// The service's two methods.
    public func handlers() -> [String: RPCHandler] {
        [
            Self.check: .unary { [self] (_, bytes) throws(RPCError) in
                let request: Grpc_Health_V1_HealthCheckRequest = try decode(bytes)
                guard names.contains(request.service) else {
                    throw RPCError(.notFound, "unknown service")
                }
                return try encode(Self.response(state.isServing ? .serving : .notServing))
            },
            Self.watch: .serverStreaming { [self] (call, bytes, writer) throws(RPCError) in
                let request: Grpc_Health_V1_HealthCheckRequest = try decode(bytes)
                let isKnown = names.contains(request.service)
                try writer.send(
                    try encode(
                        Self.response(
                            !isKnown
                                ? .serviceUnknown : state.isServing ? .serving : .notServing)))
                while state.waitForStop(.milliseconds(100)) {
                    if call.isCancelled { throw RPCError(.cancelled, "the watcher is gone") }
                }
                if isKnown { try writer.send(try encode(Self.response(.notServing))) }
                throw RPCError(.unavailable, "the server stops")
            },
        ]
    }

    private static func response(
        _ status: Grpc_Health_V1_HealthCheckResponse.ServingStatus
    ) -> Grpc_Health_V1_HealthCheckResponse {
        .with { $0.status = status }
    }

    /// Asks whether a service serves.
    ///
    /// - Throws: ``RPCError`` where it can't be reached in time.
    public static func check(
        _ service: String, on channel: RPCChannel, deadline: RPCDeadline
    ) throws(RPCError) -> Bool {
        let request = Grpc_Health_V1_HealthCheckRequest.with { $0.service = service }
        let answer: Grpc_Health_V1_HealthCheckResponse = try decode(
            try channel.call(
                check, try encode(request), metadata: RPCMetadata(), deadline: deadline))
        return answer.status == .serving
    }
}

/// Whether the server serves, and a wait for the moment that it stops.
private final class ServingState: @unchecked Sendable {
    // `serving` is only read and written while `changed` is locked.
    private let changed = NSCondition()
    private var serving = true

    var isServing: Bool {
        changed.lock()
        defer { changed.unlock() }
        return serving
    }

    func stop() {
        changed.lock()
        serving = false
        changed.broadcast()
        changed.unlock()
    }

    /// Waits for the stop, at most so long. Returns whether it still serves.
    func waitForStop(_ limit: Duration) -> Bool {
        changed.lock()
        defer { changed.unlock() }
        if serving { _ = changed.wait(until: Date(timeIntervalSinceNow: limit / .seconds(1))) }
        return serving
    }
}
