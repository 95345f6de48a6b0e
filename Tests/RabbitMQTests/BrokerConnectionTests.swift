import RabbitMQ
import TestSupport
import Testing

@Suite struct BrokerConnectionTests {
    @Test func `what is published confirmed is delivered as it was`() throws {
        var random = SeededGenerator(announcedFor: "round trip")
        let queue = TestBroker.name("round")
        let publisher = try TestBroker.connect()
        let figures = try publisher.declare(TestBroker.queue(queue))
        #expect(figures.messages == 0 && figures.consumers == 0)
        // Empty, within a frame, over several, and what fills a frame exactly.
        let bodies =
            [[], random.bytes(1...1), random.bytes(131_064...131_064)]
            + (0..<20).map { _ in random.bytes(0...400_000) }
        let outcomes = try publisher.publish(
            bodies.enumerated().map {
                TestBroker.message(to: queue, $1, id: "n\($0)", expiration: .seconds(60))
            }, within: .seconds(20))
        #expect(outcomes == bodies.map { _ in .confirmed })

        let consumer = try TestBroker.connect()
        try consumer.consume(queue, consumer: "c", prefetch: 5)
        for (index, body) in bodies.enumerated() {
            let delivery = try #require(try consumer.delivery())
            #expect(delivery.body == body)
            #expect(delivery.messageID == "n\(index)")
            #expect(delivery.applicationID == "tests")
            #expect(delivery.contentType == "application/octet-stream")
            #expect(delivery.consumer == "c" && delivery.routingKey == queue)
            #expect(!delivery.isRedelivered)
            // Several at once.
            if index % 5 == 4 || index == bodies.count - 1 {
                try consumer.acknowledge(upTo: delivery.tag)
            }
        }
        #expect(try consumer.delivery(within: .milliseconds(50)) == nil)
        #expect(try consumer.declare(TestBroker.queue(queue)).messages == 0)
    }

    @Test func `thousands of messages are confirmed in batches`() throws {
        let queue = TestBroker.name("many")
        let connection = try TestBroker.connect()
        try connection.declare(TestBroker.queue(queue, length: 10_000))
        for _ in 0..<8 {
            let outcomes = try connection.publish(
                (0..<500).map { TestBroker.message(to: queue, [UInt8(truncatingIfNeeded: $0)]) },
                within: .seconds(20))
            #expect(outcomes.allSatisfy { $0 == .confirmed })
        }
        #expect(try connection.declare(TestBroker.queue(queue, length: 10_000)).messages == 4_000)
    }

    @Test func `what no queue takes comes back, the rest of its batch is confirmed`() throws {
        let queue = TestBroker.name("known")
        let connection = try TestBroker.connect()
        try connection.declare(TestBroker.queue(queue))
        let big = [UInt8](repeating: 7, count: 1 << 20)
        let outcomes = try connection.publish(
            (0..<12).map { TestBroker.message(to: $0 % 3 == 1 ? "nobody" : queue, big) },
            within: .seconds(20))
        for (index, outcome) in outcomes.enumerated() {
            #expect(outcome == (index % 3 == 1 ? .returned("312 NO_ROUTE") : .confirmed))
        }
        #expect(connection.lastError == nil)
    }

    @Test func `a full queue rejects`() throws {
        let queue = TestBroker.name("full")
        let connection = try TestBroker.connect()
        try connection.declare(TestBroker.queue(queue, length: 3))
        var rejected = 0
        for number in 0..<20 {
            let outcomes = try connection.publish(
                [TestBroker.message(to: queue, [UInt8(number)])], within: .seconds(10))
            if outcomes == [.rejected] { rejected += 1 }
            if number < 3 { #expect(outcomes == [.confirmed]) }
        }
        // A quorum queue notices a little late.
        #expect(rejected > 10)
        #expect(connection.lastError == nil)
    }

    @Test func `a queue declared otherwise is told in one line that names it`() throws {
        let queue = TestBroker.name("mismatch")
        let connection = try TestBroker.connect()
        try connection.declare(TestBroker.queue(queue, length: 5))
        let error = #expect(throws: RabbitMQError.self) {
            try connection.declare(TestBroker.queue(queue, length: 6))
        }
        #expect(error?.code == .mismatch)
        #expect(error?.isRetriable == false)
        let message = error?.message ?? ""
        #expect(
            message.contains("queue \(queue)") && message.contains("x-max-length"), "\(message)")
        #expect(!message.contains("\n"))
        // Of no more use, and it says so.
        #expect(code { try connection.declare(TestBroker.queue(queue, length: 5)) } == .mismatch)
    }

    @Test func `requeued, rejected and acknowledged deliveries go where they should`() throws {
        let (queue, dead) = (TestBroker.name("work"), TestBroker.name("dead"))
        let connection = try TestBroker.connect()
        try connection.declareExchange(dead, kind: .fanout)
        try connection.declare(TestBroker.queue(dead))
        try connection.bind(queue: dead, to: dead, key: "")
        var arguments = TestBroker.queue(queue).arguments
        arguments["x-dead-letter-exchange"] = .text(dead)
        arguments["x-dead-letter-strategy"] = .text("at-least-once")
        try connection.declare(QueueDeclaration(queue, arguments: arguments))
        try connection.consume(queue, consumer: "work", prefetch: 10)
        _ = try connection.publish(
            ["a", "b"].map { TestBroker.message(to: queue, Array($0.utf8), id: $0) },
            within: .seconds(10))
        var first: [String: Delivery] = [:]
        for _ in 0..<2 {
            let delivery = try #require(try connection.delivery())
            first[delivery.messageID] = delivery
        }
        try connection.requeue(try #require(first["a"]).tag)
        let again = try #require(try connection.delivery())
        #expect(again.messageID == "a" && again.isRedelivered)
        try connection.acknowledge(again.tag)
        try connection.reject(try #require(first["b"]).tag)
        try connection.consume(dead, consumer: "dead", prefetch: 10)
        let letter = try #require(try connection.delivery())
        #expect(letter.messageID == "b" && letter.consumer == "dead")
        #expect(letter.body == Array("b".utf8))
        try connection.acknowledge(letter.tag)
    }

    @Test func `a topic exchange reaches each queue that is bound, an expired message none`() throws
    {
        let name = TestBroker.name("topic")
        let connection = try TestBroker.connect()
        try connection.declareExchange(name, kind: .topic)
        for part in ["a", "b"] {
            try connection.declare(TestBroker.queue("\(name).\(part)"))
            try connection.bind(queue: "\(name).\(part)", to: name, key: "ticket.*")
        }
        let outcomes = try connection.publish(
            [("ticket.x", nil), ("news", nil), ("ticket.y", Duration.zero)].map { key, expiration in
                OutgoingMessage(
                    exchange: name, routingKey: key, body: [1], contentType: "", messageID: key,
                    applicationID: "", expiration: expiration)
            }, within: .seconds(10))
        #expect(outcomes[0] == .confirmed && outcomes[1] == .returned("312 NO_ROUTE"))
        for part in ["a", "b"] {
            try connection.consume("\(name).\(part)", consumer: part, prefetch: 1)
            let delivery = try #require(try connection.delivery())
            #expect(delivery.messageID == "ticket.x" && delivery.consumer == part)
            try connection.acknowledge(delivery.tag)
            #expect(try connection.delivery(within: .milliseconds(100)) == nil)
        }
    }

    @Test func `the broker's end of a consumer is told`() throws {
        let queue = TestBroker.name("cancel")
        let connection = try TestBroker.connect()
        try connection.declare(TestBroker.queue(queue))
        try connection.consume(queue, consumer: "d", prefetch: 1)
        let other = try TestBroker.connect()
        try other.deleteQueue(queue)
        var cancelled: String?
        while cancelled == nil {
            switch try connection.next(within: .seconds(10)) {
            case .delivery: continue
            case .cancelled(let consumer): cancelled = consumer
            case .woken, .deadline: cancelled = ""
            }
        }
        #expect(cancelled == "d")
    }

    @Test func `a wait ends when it is woken or its time is over`() throws {
        let connection = try TestBroker.connect()
        let wake = try WakeUp()
        let clock = ContinuousClock()
        let begin = clock.now
        guard case .deadline = try connection.next(within: .milliseconds(200), wake: wake) else {
            Issue.record("neither message nor wake")
            return
        }
        #expect(clock.now - begin >= .milliseconds(199))
        wake.signal()
        wake.signal()
        for _ in 0..<2 {
            guard case .woken = try connection.next(within: .seconds(30), wake: wake) else {
                Issue.record("not woken")
                return
            }
        }
        wake.clear()
        guard case .deadline = try connection.next(within: .zero, wake: wake) else {
            Issue.record("still woken")
            return
        }
        concurrently([{ wake.signal() }])
        guard case .woken = try connection.next(within: .seconds(30), wake: wake) else {
            Issue.record("not woken by another thread")
            return
        }
        #expect(clock.now - begin < .seconds(20))
    }

    @Test func `a long wait keeps the connection alive by heartbeats`() throws {
        var configuration = try TestBroker.configuration()
        configuration.heartbeatSeconds = 1
        let connection = try TestBroker.connect(configuration)
        guard case .deadline = try connection.next(within: .seconds(5)) else {
            Issue.record("something came")
            return
        }
        let queue = TestBroker.name("alive")
        try connection.declare(TestBroker.queue(queue))
    }

    @Test func `interrupt ends a wait of another thread, and later calls`() throws {
        let interrupter = BrokerInterrupter()
        let connection = try TestBroker.connect(interrupter: interrupter)
        let clock = ContinuousClock()
        let begin = clock.now
        // Which is first does not matter: both must end.
        let other = try OwnInterruption(interrupter)
        #expect(code { _ = try connection.next(within: .seconds(60)) } == .interrupted)
        other.join()
        #expect(clock.now - begin < .seconds(10))
        #expect(code { try connection.declare(TestBroker.queue("q")) } == .interrupted)
        #expect(code { _ = try TestBroker.connect(interrupter: interrupter) } == .interrupted)
    }

    @Test func `an unknown user, virtual host or queue, and a closed port, are told apart`() throws
    {
        let port = try TestBroker.configuration().hosts[0].port
        func outcome(_ url: String) -> RabbitMQError.Code? {
            code { _ = try TestBroker.connect(try BrokerConfiguration(url: url)) }
        }
        #expect(outcome("amqp://guest:wrong@127.0.0.1:\(port)") == .refused)
        #expect(outcome("amqp://127.0.0.1:\(port)/absent") == .refused)
        #expect(outcome("amqp://127.0.0.1:1") == .unreachable)
        #expect(outcome("amqp://no-such-host.invalid") == .unreachable)
        let connection = try TestBroker.connect()
        #expect(
            code { try connection.consume("absent", consumer: "c", prefetch: 1) } == .unexpected)
    }
}
