public import RPC
private import SwiftProtobuf
private import Synchronization

/// The standard health service (`grpc.health.v1.Health`, Check and Watch): `""` and each service by its full name.
public final class HealthService: Sendable {
    static let check = "/grpc.health.v1.Health/Check"
    static let watch = "/grpc.health.v1.Health/Watch"

    private let names: Set<String>
    private let isServing = Atomic(true)

    /// Health of a server with these services. It serves until ``stop()``.
    public init(services: [String]) {
        names = Set(services + [""])
    }

    /// From now on nothing is served: whoever watches is told within ``watchPause``, and each watch ends.
    public func stop() {
        isServing.store(false, ordering: .releasing)
    }

    /// How often a watch looks whether it has something to tell.
    static let watchPause = Duration.milliseconds(100)

    private var status: Grpc_Health_V1_HealthCheckResponse.ServingStatus {
        isServing.load(ordering: .acquiring) ? .serving : .notServing
    }

    /// The service's two methods.
    public func handlers() -> [String: RPCHandler] {
        [
            Self.check: .unary { [self] (_, bytes) throws(RPCError) in
                let request: Grpc_Health_V1_HealthCheckRequest = try decode(bytes)
                guard names.contains(request.service) else {
                    throw RPCError(.notFound, "unknown service")
                }
                return try encode(Self.response(status))
            },
            Self.watch: .serverStreaming { [self] (call, bytes, writer) throws(RPCError) in
                let request: Grpc_Health_V1_HealthCheckRequest = try decode(bytes)
                let isKnown = names.contains(request.service)
                try writer.send(
                    try encode(
                        Self.response(isKnown ? status : .serviceUnknown)))
                while isServing.load(ordering: .acquiring) {
                    if call.waitUntilCancelled(for: Self.watchPause) {
                        throw RPCError(.cancelled, "the watcher is gone")
                    }
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
        let answer: Grpc_Health_V1_HealthCheckResponse = try decodeAnswer(
            try channel.call(
                check, try encode(request), metadata: RPCMetadata(), deadline: deadline))
        return answer.status == .serving
    }
}
