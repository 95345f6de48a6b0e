import RabbitMQ
import Synchronization
import TestSupport

/// The node that the suites share, with TLS, and what they do with it.
enum TestBroker {
    /// Certificates: an authority, the node's own for `localhost`, and an authority that nobody asked.
    struct Certificates {
        let folder: TemporaryFolder
        var authority: String { folder.path + "/authority.pem" }
        var stranger: String { folder.path + "/stranger.pem" }
        var server: String { folder.path + "/server.pem" }
        var serverKey: String { folder.path + "/server.key" }

        init() throws {
            folder = try TemporaryFolder()
            func make(_ name: String, _ more: [String]) throws {
                try RunningBroker.run(
                    "/usr/bin/openssl",
                    [
                        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "2", "-subj", "/CN=\(name)", "-keyout",
                        "\(folder.path)/\(name).key", "-out", "\(folder.path)/\(name).pem",
                    ] + more)
            }
            try make("authority", [])
            try make("stranger", [])
            try make(
                "server",
                [
                    "-CA", authority, "-CAkey", folder.path + "/authority.key", "-addext",
                    "subjectAltName=DNS:localhost",
                ])
        }
    }

    /// Made once, for as long as the process lives.
    static let shared: Result<(broker: RunningBroker, certificates: Certificates), any Error> =
        Result {
            let certificates = try Certificates()
            return (
                try RunningBroker(
                    certificate: certificates.server, key: certificates.serverKey), certificates
            )
        }

    static func configuration() throws -> BrokerConfiguration {
        try BrokerConfiguration(url: try shared.get().broker.urls[0])
    }

    static func connect(
        _ configuration: BrokerConfiguration? = nil, interrupter: BrokerInterrupter = .init()
    ) throws -> BrokerConnection {
        let configuration = try configuration ?? Self.configuration()
        return try BrokerConnection(
            configuration, host: configuration.hosts[0], name: "test", interrupter: interrupter)
    }

    private static let count = Mutex(0)

    /// A name that no other test uses.
    static func name(_ word: String) -> String {
        "\(word).\(count.withLock { $0 += 1; return $0 })"
    }

    /// A queue with a bound, refusing what is beyond.
    static func queue(_ name: String, length: Int64 = 1_000) -> QueueDeclaration {
        QueueDeclaration(
            name,
            arguments: [
                "x-queue-type": .text("quorum"), "x-overflow": .text("reject-publish"),
                "x-max-length": .number(length),
            ])
    }

    static func message(
        to queue: String, _ body: [UInt8], id: String = "id", expiration: Duration? = nil
    ) -> OutgoingMessage {
        OutgoingMessage(
            exchange: "", routingKey: queue, body: body, contentType: "application/octet-stream",
            messageID: id, applicationID: "tests", expiration: expiration)
    }
}

extension BrokerConnection {
    /// The next message, or nil after so long without one.
    func delivery(within time: Duration = .seconds(10)) throws -> Delivery? {
        guard case .delivery(let delivery) = try next(within: time) else { return nil }
        return delivery
    }
}

/// The code of what a body throws; nil: nothing.
func code(_ body: () throws -> Void) -> RabbitMQError.Code? {
    do {
        try body()
        return nil
    } catch {
        return (error as? RabbitMQError)?.code
    }
}
