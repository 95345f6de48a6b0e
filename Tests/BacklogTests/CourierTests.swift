import RabbitMQ
import TestSupport
import Testing
import Threads

@testable import Backlog

/// Gateways of one tree on a node that is well.
@Suite struct CourierTests {
    private let tree = CourierBroker.tree()
    private let folders: [TemporaryFolder]
    private let broker: RunningBroker

    init() throws {
        folders = [try TemporaryFolder(), try TemporaryFolder()]
        broker = try CourierBroker.shared.get()
    }

    private func gateway(
        _ number: Int, daemon: FakeDaemon = FakeDaemon(), well: [String] = []
    ) throws -> TestGateway {
        let gateway = try TestGateway(
            tree: tree, at: broker.urls[0], in: folders[number], daemon: daemon, well: well)
        #expect(gateway.isConnected())
        return gateway
    }

    /// Those of docs/scaling.md: on the tree's own names, in a virtual host of its own, and on no other tree's.
    @Test func `the rights that an operator is told to give are enough, and for this tree only`()
        throws
    {
        let rights = "^pasarela\\.\(tree)(\\..*)?$"
        try broker.control("add_vhost", tree)
        try broker.control("add_user", tree, "secret")
        try broker.control("set_permissions", "-p", tree, tree, rights, rights, rights)
        let port = try #require(broker.urls[0].split(separator: ":").last)
        let url = "amqp://\(tree):secret@127.0.0.1:\(port)/\(tree)"
        let one = try TestGateway(tree: tree, at: url, in: folders[0])
        let two = try TestGateway(tree: tree, at: url, in: folders[1], well: ["mserv1"])
        #expect(one.isConnected() && two.isConnected())
        let id = try one.accept("by right")
        #expect(try one.reaches(.answered, id))

        let folder = try TemporaryFolder()
        let other = try TestGateway(tree: "\(tree)0", at: url, in: folder)
        #expect(
            eventually {
                if case .disconnected(let reason) = other.backlog.figures().brokerState {
                    reason.contains("refused")
                } else {
                    false
                }
            })
        other.backlog.stop()
    }

    private func queuesAreEmpty() throws -> Bool {
        try eventually { try CourierBroker.messages(of: tree, on: broker) == 0 }
    }

    @Test func `another gateway's daemon answers, and both gateways have the answer`() throws {
        let a = try gateway(0)
        let b = try gateway(1, well: ["mserv1"])
        let id = try a.accept("what is there")
        for gateway in [a, b] {
            try #require(try gateway.reaches(.answered, id))
            let answer = try #require(try gateway.backlog.answer(id))
            #expect(answer.request == bytes("what is there"))
            #expect(answer.answer == bytes("what is there").reversed())
        }
        #expect(a.daemon.asked.isEmpty && b.daemon.asked.count == 1)
        #expect(a.backlog.figures().helped == 1 && b.backlog.figures().helping == 1)
        #expect(try queuesAreEmpty())
        #expect(a.backlog.figures().unannounced == 0 && a.backlog.figures().confirmed > 0)
        #expect(a.log.lines.count { $0.contains("RabbitMQ is in use") } == 1)
    }

    @Test func `the owner's own answer reaches the others, and the work queue`() throws {
        let a = try gateway(0)
        let b = try gateway(1)
        let id = try a.accept("mine")
        #expect(try b.reaches(.waiting, id))
        #expect(try b.backlog.ticket(id)?.isOwn == false)
        a.backlog.tell("mserv1", isWell: true)
        try #require(try b.reaches(.answered, id))
        #expect(try b.backlog.answer(id)?.answer == bytes("enim"))
        // The work queue's copy is acknowledged without a call.
        #expect(try queuesAreEmpty())
        #expect(a.daemon.asked.count == 1 && b.daemon.asked.isEmpty)
    }

    @Test func `a broker takes another's place, and what has waited goes there`() throws {
        let a = try TestGateway(
            tree: tree, at: "amqp://guest:wrong@\(broker.urls[0].split(separator: "@").last ?? "")",
            in: folders[0])
        #expect(eventually { a.log.lines.contains { $0.contains("EVENT_NAME=broker_absent") } })
        let id = try a.accept("waits for a password")
        let b = try gateway(1, well: ["mserv1"])
        try a.backlog.use(
            BrokerSetup(
                configuration: BrokerConfiguration(url: broker.urls[0]), tree: tree,
                mac: { [tree] in standInForMAC($0, key: tree) }))
        #expect(try a.reaches(.answered, id))
        #expect(a.log.lines.contains { $0.contains("EVENT_NAME=broker_back") })
        #expect(b.daemon.asked.count == 1)
    }

    @Test func `a deletion reaches both, and nobody works for it any more`() throws {
        let a = try gateway(0)
        let b = try gateway(1)
        let (waiting, answered) = (try a.accept("one"), try a.accept("two", service: "mserv2"))
        #expect(try b.reaches(.waiting, waiting))
        #expect(try b.backlog.delete(waiting))
        #expect(try a.reaches(nil, waiting))
        b.backlog.tell("mserv2", isWell: true)
        #expect(try a.reaches(.answered, answered))
        #expect(try a.backlog.delete(answered))
        #expect(try b.reaches(nil, answered))
        a.backlog.tell("mserv1", isWell: true)
        b.backlog.tell("mserv1", isWell: true)
        #expect(try queuesAreEmpty())
        #expect(a.daemon.asked.isEmpty && b.daemon.asked == [bytes("two")])
    }

    @Test func `hundreds of tickets of two gateways are each answered right`() throws {
        let a = try gateway(0, well: ["mserv1"])
        let b = try gateway(1, well: ["mserv2"])
        var expected: [(TicketID, String)] = []
        for number in 0..<150 {
            for (gateway, word) in [(a, "a"), (b, "b")] {
                let text = "\(word)\(number)"
                let service = number % 2 == 0 ? "mserv1" : "mserv2"
                expected.append((try gateway.accept(text, service: service), text))
            }
        }
        for (id, text) in expected {
            for gateway in [a, b] {
                try #require(try gateway.reaches(.answered, id))
                #expect(try gateway.backlog.answer(id)?.answer == bytes(text).reversed())
            }
        }
        #expect(try queuesAreEmpty())
        #expect(a.backlog.figures().unannounced == 0 && b.backlog.figures().unannounced == 0)
    }

    @Test func `a gateway that was away hears what happened meanwhile`() throws {
        let b = try gateway(1)
        let id: TicketID
        do {
            let a = try gateway(0)
            id = try a.accept("and I was gone")
            #expect(try b.reaches(.waiting, id))
        }
        b.backlog.tell("mserv1", isWell: true)
        try #require(try b.reaches(.answered, id))
        let again = try gateway(0)
        #expect(try again.reaches(.answered, id))
        #expect(again.daemon.asked.isEmpty && again.backlog.figures().helped == 1)
    }

    @Test func `a daemon that goes gives the queue's tickets back, to whoever is well`() throws {
        let a = try gateway(0)
        let b = try gateway(1, daemon: FakeDaemon { _, _ in .unavailable }, well: ["mserv1"])
        let ids = try (0..<30).map { try a.accept("ticket \($0)") }
        #expect(b.daemon.waitUntilAsked(1))
        #expect(try b.reaches(.waiting, ids[29]))
        b.daemon.answers { request, _ in echo(request) }
        b.backlog.tell("mserv1", isWell: true)
        for id in ids { try #require(try a.reaches(.answered, id)) }
        #expect(try queuesAreEmpty())
    }

    @Test func `what a gateway holds whose daemon goes is another's at once`() throws {
        let a = try gateway(0)
        let b = try gateway(1, daemon: FakeDaemon { _, _ in .busy }, well: ["mserv1"])
        let ids = try (0..<4).map { try a.accept("ticket \($0)") }
        #expect(b.daemon.waitUntilAsked(1))
        for _ in 0..<3 {
            b.backlog.tell("mserv1", isWell: false)
            // Nothing is left with a consumer that was cancelled: its node might die and keep it.
            #expect(
                try eventually {
                    try CourierBroker.messages(of: tree, on: broker, column: "messages_ready") == 4
                })
            b.backlog.tell("mserv1", isWell: true)
        }
        b.backlog.tell("mserv1", isWell: false)
        let folder = try TemporaryFolder()
        let c = try TestGateway(tree: tree, at: broker.urls[0], in: folder, well: ["mserv1"])
        for id in ids { try #require(try a.reaches(.answered, id)) }
        #expect(c.daemon.asked.count == 4)
        #expect(b.log.lines.count { $0.contains("RabbitMQ is in use") } == 1)
        #expect(try queuesAreEmpty())
    }

    @Test func `consumers that are well are left alone however often they are looked at`() throws {
        let a = try TestGateway(tree: tree, at: broker.urls[0], in: folders[0]) { times in
            times.look = .milliseconds(300)
        }
        let b = try TestGateway(
            tree: tree, at: broker.urls[0], in: folders[1], well: ["mserv1"]
        ) { times in times.look = .milliseconds(300) }
        #expect(a.isConnected() && b.isConnected())
        let end = MonotonicClock.now + 2_000_000_000
        while MonotonicClock.now < end {
            let id = try a.accept("a ticket")
            try #require(try a.reaches(.answered, id))
        }
        for gateway in [a, b] {
            #expect(!gateway.log.lines.contains { $0.contains("hands out nothing") })
        }
    }

    @Test func `a dead letter is offered again while its ticket waits`() throws {
        let a = try gateway(0)
        let b = try gateway(
            1,
            daemon: FakeDaemon { request, before in
                before == 0 ? .failed(bytes("broken")) : echo(request)
            }, well: ["mserv1"])
        let id = try a.accept("twice")
        try #require(try a.reaches(.answered, id))
        #expect(b.daemon.asked.count == 2)
        #expect(try queuesAreEmpty())
    }

    @Test func `a ticket that others answer with failures too often ends as failed`() throws {
        let a = try gateway(0)
        let b = try gateway(
            1, daemon: FakeDaemon { _, _ in .failed(bytes("broken")) }, well: ["mserv1"])
        let id = try a.accept("never")
        #expect(try a.reaches(.failed, id))
        #expect(try a.backlog.answer(id)?.answer == bytes("broken"))
        #expect(b.daemon.asked.count == 2)
        #expect(a.backlog.figures().failed == 1)
        #expect(try queuesAreEmpty())
    }

    @Test func `what no gateway of the tree has sealed is thrown away`() throws {
        let a = try gateway(0, well: ["mserv1"])
        let forged = TicketNews.sample()
        let seal = NewsSeal(tree: tree) { standInForMAC($0, key: "another") }
        let configuration = try BrokerConfiguration(url: broker.urls[0])
        let stranger = try BrokerConnection(
            configuration, host: configuration.hosts[0], name: "stranger", interrupter: .init())
        let bodies = [try #require(seal.sealed(forged)), [], bytes("garbage")]
        let outcomes = try stranger.publish(
            bodies.flatMap { body in
                ["ticket.mserv1", "news"].map { key in
                    OutgoingMessage(
                        exchange: "pasarela.\(tree)", routingKey: key, body: body, contentType: "",
                        messageID: "\(forged.id)", applicationID: "")
                }
            }, within: .seconds(10))
        #expect(outcomes.allSatisfy { $0 == .confirmed })
        #expect(try queuesAreEmpty())
        // Later news of its own kind still come.
        let id = try a.accept("true")
        try #require(try a.reaches(.answered, id))
        #expect(try a.backlog.ticket(forged.id) == nil)
        #expect(a.daemon.asked == [bytes("true")])
        #expect(a.log.lines.count { $0.contains("no gateway of this tree has sealed") } == 1)
    }

    @Test func `queues that are there otherwise are told in one line, and tickets go on`() throws {
        let configuration = try BrokerConfiguration(url: broker.urls[0])
        let other = try BrokerConnection(
            configuration, host: configuration.hosts[0], name: "other", interrupter: .init())
        try other.declare(
            QueueDeclaration("pasarela.\(tree).mserv2", arguments: ["x-max-length": .number(1)]))
        let a = try TestGateway(
            tree: tree, at: broker.urls[0], in: folders[0], well: ["mserv1"])
        let id = try a.accept("alone")
        try #require(try a.reaches(.answered, id))
        #expect(
            eventually {
                guard case .disconnected(let reason) = a.backlog.figures().brokerState else {
                    return false
                }
                return reason.contains("queue pasarela.\(tree).mserv2")
            })
        #expect(a.backlog.figures().unannounced == 1)
        let lines = a.log.lines.filter { $0.contains("RabbitMQ can't be used") }
        #expect(lines.count == 1 && lines[0].contains("pasarela.\(tree).mserv2"), "\(lines)")
    }
}

extension TicketNews {
    /// News that could be true.
    static func sample(_ state: TicketState = .waiting) -> TicketNews {
        let now = WallClock.now
        return TicketNews(
            id: TicketID(), owner: GatewayID(), service: "mserv1", state: state, round: 0,
            created: now, expires: now + 86_400_000, changed: state == .waiting ? nil : now,
            failures: 0, revision: 1, request: bytes("forged"),
            answer: state == .answered || state == .failed ? bytes("degrof") : nil)
    }
}
