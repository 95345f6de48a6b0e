import RabbitMQ
import TestSupport
import Testing

@Suite struct BrokerEncryptionTests {
    @Test func `TLS with the right authority carries large messages both ways`() throws {
        let (broker, certificates) = try TestBroker.shared.get()
        var configuration = try BrokerConfiguration(url: broker.encryptedURLs[0])
        configuration.authorityFile = certificates.authority
        let connection = try TestBroker.connect(configuration)
        let queue = TestBroker.name("tls")
        try connection.declare(TestBroker.queue(queue))
        var random = SeededGenerator(announcedFor: "TLS")
        let bodies = (0..<10).map { _ in random.bytes(0...700_000) }
        let outcomes = try connection.publish(
            bodies.map { TestBroker.message(to: queue, $0) }, within: .seconds(20))
        #expect(outcomes.allSatisfy { $0 == .confirmed })
        try connection.consume(queue, consumer: "c", prefetch: 10)
        for body in bodies { #expect(try connection.delivery()?.body == body) }
    }

    @Test func `another authority, another name and a plain port are refused`() throws {
        let (broker, certificates) = try TestBroker.shared.get()
        var configuration = try BrokerConfiguration(url: broker.encryptedURLs[0])
        #expect(code { _ = try TestBroker.connect(configuration) } == .untrusted)
        configuration.authorityFile = certificates.stranger
        #expect(code { _ = try TestBroker.connect(configuration) } == .untrusted)
        configuration.authorityFile = certificates.folder.path + "/absent"
        #expect(code { _ = try TestBroker.connect(configuration) } == .configuration)

        let port = configuration.hosts[0].port
        var other = try BrokerConfiguration(url: "amqps://127.0.0.1:\(port)")
        other.authorityFile = certificates.authority
        #expect(code { _ = try TestBroker.connect(other) } == .untrusted)

        let plainPort = try TestBroker.configuration().hosts[0].port
        var plain = try BrokerConfiguration(url: "amqps://localhost:\(plainPort)")
        plain.authorityFile = certificates.authority
        #expect(code { _ = try TestBroker.connect(plain) } == .unreachable)
    }
}
