import Glibc
import RabbitMQ
import TestSupport
import Testing

/// A node of its own, which is stopped, starved and killed: one test after the other.
@Suite(.serialized) struct StalledBrokerTests {
    private static let node = Result { try RunningBroker() }

    private func configuration() throws -> BrokerConfiguration {
        try BrokerConfiguration(url: try Self.node.get().urls[0])
    }

    private func queue() throws -> (BrokerConnection, String) {
        let connection = try TestBroker.connect(try configuration())
        let queue = TestBroker.name("stalled")
        try connection.declare(TestBroker.queue(queue, length: 100_000))
        return (connection, queue)
    }

    /// Runs a body and checks that it took no longer than its deadline (and what a busy machine adds).
    private func inTime<Value>(_ deadline: Duration, _ body: () throws -> Value) rethrows -> Value {
        let clock = ContinuousClock()
        let begin = clock.now
        defer { #expect(clock.now - begin < deadline + .seconds(2)) }
        return try body()
    }

    @Test(arguments: [1, 64]) func `a stopped broker leaves a batch unconfirmed at its deadline`(
        count: Int
    ) throws {
        let node = try Self.node.get()
        let (connection, queue) = try queue()
        #expect(
            try connection.publish([TestBroker.message(to: queue, [1])], within: .seconds(10))
                == [.confirmed])
        try node.send(SIGSTOP)
        defer { try? node.send(SIGCONT) }
        // 64 MiB are far more than what the sockets' buffers hold.
        let body = [UInt8](repeating: 1, count: 1 << 20)
        let outcomes = try inTime(.seconds(2)) {
            try connection.publish(
                (0..<count).map { _ in TestBroker.message(to: queue, body) }, within: .seconds(2))
        }
        #expect(outcomes.allSatisfy { $0 == .unconfirmed })
        #expect(connection.lastError?.code == .timedOut)
        #expect(
            code {
                _ = try connection.publish(
                    [TestBroker.message(to: queue, [2])], within: .seconds(2))
            } == .timedOut)
    }

    @Test func `a stopped broker ends connecting, declaring and waiting at their deadlines`() throws
    {
        let node = try Self.node.get()
        var configuration = try configuration()
        configuration.callTime = .seconds(1)
        configuration.connectTime = .seconds(1)
        let declaring = try TestBroker.connect(configuration)
        configuration.heartbeatSeconds = 1
        let waiting = try TestBroker.connect(configuration)
        try node.send(SIGSTOP)
        defer { try? node.send(SIGCONT) }
        inTime(.seconds(1)) {
            #expect(code { _ = try TestBroker.connect(configuration) } == .timedOut)
        }
        inTime(.seconds(1)) {
            #expect(
                code { try declaring.declare(TestBroker.queue("q")) } == .timedOut)
        }
        // Two heartbeats missed.
        inTime(.seconds(3)) {
            #expect(code { _ = try waiting.next(within: .seconds(60)) } == .closed)
        }
    }

    @Test func `a broker short of memory confirms nothing, and says why`() throws {
        let node = try Self.node.get()
        let (connection, queue) = try queue()
        #expect(
            try connection.publish([TestBroker.message(to: queue, [1])], within: .seconds(10))
                == [.confirmed])
        try node.control("set_vm_memory_high_watermark", "0")
        defer { _ = try? node.control("set_vm_memory_high_watermark", "0.4") }
        let body = [UInt8](repeating: 1, count: 1 << 16)
        let outcomes = try inTime(.seconds(2)) {
            try connection.publish(
                (0..<512).map { _ in TestBroker.message(to: queue, body) }, within: .seconds(2))
        }
        #expect(outcomes.contains(.unconfirmed))
        let message = connection.lastError?.message ?? ""
        #expect(message.contains("it takes no messages (low on memory)"), "\(message)")
    }

    @Test func `kill -9 of the broker ends a wait and a batch at once`() throws {
        let node = try Self.node.get()
        let (publishing, queue) = try queue()
        let waiting = try TestBroker.connect(try configuration())
        try waiting.consume(queue, consumer: "c", prefetch: 1)
        // RabbitMQ notes a new quorum queue on its disk half a second late (a dets table): killed before that, the
        // queue would stay dead.
        _ = try publishing.next(within: .seconds(2))
        try node.send(SIGKILL)
        inTime(.seconds(1)) {
            #expect(code { _ = try waiting.next(within: .seconds(60)) } == .closed)
            #expect(
                code {
                    let body = [UInt8](repeating: 1, count: 1 << 20)
                    _ = try publishing.publish(
                        (0..<32).map { _ in TestBroker.message(to: queue, body) },
                        within: .seconds(30))
                } == .closed)
        }
        // The kernel may still take connections for it.
        let late = code { _ = try TestBroker.connect(try configuration()) }
        #expect(late == .unreachable || late == .closed)
        try node.again()
        let (later, _) = try self.queue()
        // Also the queue that was there before.
        let outcomes = try later.publish(
            [TestBroker.message(to: queue, [1])], within: .seconds(10))
        #expect(outcomes == [.confirmed])
    }
}
