import Synchronization
import TestSupport
import Testing
import Threads

@testable import Backlog

/// What the courier asks of the backlog.
@Suite struct BacklogPostTests {
    let folder = try? TemporaryFolder()
    var path: String { folder?.path ?? "/nowhere" }
    let courier = HeldCourier()
    let other = GatewayID(number: 99)

    func gateway(
        _ daemon: FakeDaemon = FakeDaemon(), isStarted: Bool = true,
        _ change: (inout BacklogConfiguration) -> Void = { _ in }
    ) throws -> TestBacklog {
        try TestBacklog(
            in: path, daemon: daemon, courier: courier, isStarted: isStarted, change)
    }

    func news(
        _ test: TestBacklog, _ text: String = "theirs", state: TicketState = .waiting,
        id: TicketID = TicketID(), failures: Int = 0
    ) -> TicketNews {
        TicketNews(
            id: id, owner: other, service: "mserv1", state: state, round: 0,
            created: test.clock.now, expires: test.clock.now + 86_400_000,
            changed: state == .waiting ? nil : test.clock.now, failures: failures, revision: 1,
            request: state == .deleted ? [] : bytes(text),
            answer: state == .answered ? bytes("their answer") : nil)
    }

    func outbox(after mark: Int64? = nil) throws -> [OutboxItem] {
        try courier.post.outbox(after: mark, countMax: 256, bytesMax: 8 << 20)
    }

    @Test func `what others must hear is in the outbox until it is told`() throws {
        let test = try gateway()
        let first = try test.accept("one")
        let second = try test.accept("two")
        let items = try outbox()
        #expect(items.map(\.news.id) == [first, second])
        #expect(items[0].news.owner == courier.post.gatewayID)
        #expect(items[0].news.request == bytes("one") && items[0].news.answer == nil)
        #expect(try outbox(after: items[0].mark).map(\.news.id) == [second])
        #expect(test.backlog.figures().unannounced == 2)

        test.backlog.tell("mserv1", isWell: true)
        #expect(try test.ended(first) == .answered)
        #expect(try test.ended(second) == .answered)
        // Told is the revision that was published, not the newer one.
        try courier.post.told(items.map { ($0.news.id, $0.news.revision) })
        let newer = try outbox()
        try #require(newer.map(\.news.state) == [.answered, .answered])
        #expect(newer[1].news.answer == bytes("two").reversed())
        try courier.post.told(newer.map { ($0.news.id, $0.news.revision) })
        #expect(try outbox().isEmpty)
        #expect(test.backlog.figures().unannounced == 0)
    }

    @Test func `the outbox is read in bounded parts`() throws {
        let test = try gateway()
        for _ in 0..<10 {
            _ = try test.backlog.accept(
                service: "mserv1", request: [UInt8](repeating: 1, count: 1_000))
        }
        #expect(try courier.post.outbox(after: nil, countMax: 3, bytesMax: 1 << 20).count == 3)
        #expect(try courier.post.outbox(after: nil, countMax: 99, bytesMax: 5_000).count == 3)
        // One that is larger than the bound goes alone.
        #expect(try courier.post.outbox(after: nil, countMax: 99, bytesMax: 1).count == 1)
    }

    @Test func `the bell rings for the outbox, and once for what was there before`() throws {
        let test = try gateway()
        let post = courier.post
        post.waitForOutbox(until: MonotonicClock.now + 10_000_000_000)
        let start = MonotonicClock.now
        post.waitForOutbox(until: start + 20_000_000)
        #expect(MonotonicClock.now - start >= 20_000_000)
        _ = try test.accept("x")
        post.waitForOutbox(until: MonotonicClock.now + 10_000_000_000)
        #expect(MonotonicClock.now - start < 9_000_000_000)
    }

    @Test func `tickets of others are known here, and their answers given`() throws {
        let test = try gateway()
        let told = news(test)
        try courier.post.merge([told, news(test), told])
        let ticket = try #require(try test.backlog.ticket(told.id))
        #expect(ticket.state == .waiting && !ticket.isOwn)
        // Their owners wait for them, not this gateway.
        #expect(!test.backlog.hasWork("mserv1"))
        #expect(test.backlog.figures().waiting["mserv1"] == 0)
        test.backlog.tell("mserv1", isWell: true)
        try courier.post.merge([news(test, state: .answered, id: told.id)])
        #expect(try test.backlog.answer(told.id)?.answer == bytes("their answer"))
        #expect(try test.backlog.answer(told.id)?.request == bytes("theirs"))
        #expect(test.daemon.asked.isEmpty)
        try courier.post.merge([news(test, state: .deleted, id: told.id)])
        #expect(try test.backlog.ticket(told.id) == nil)
        #expect(try outbox().isEmpty)
    }

    @Test func `an own ticket that another gateway answered is helped, and its client told`() throws
    {
        let test = try gateway()
        let id = try test.accept("mine")
        let backlog = test.backlog
        let post = courier.post
        let answer = news(test, "mine", state: .answered, id: id)
        concurrently([
            {
                #expect(throws: Never.self) {
                    let ticket = try backlog.ticket(
                        id, changedFrom: .waiting, within: .seconds(20))
                    #expect(ticket?.state == .answered)
                }
            },
            { #expect(throws: Never.self) { try post.merge([answer]) } },
        ])
        #expect(test.backlog.figures().helped == 1)
        #expect(!test.backlog.hasWork("mserv1"))
        #expect(try test.backlog.answer(id)?.answer == bytes("their answer"))
    }

    @Test func `tickets of the time before there was a broker are announced`() throws {
        var ids: [TicketID] = []
        do {
            let alone = try TestBacklog(in: path)
            ids.append(try alone.accept("one"))
            alone.backlog.tell("mserv1", isWell: true)
            #expect(try alone.ended(ids[0]) == .answered)
            ids.append(try alone.accept("two", service: "mserv2"))
            #expect(alone.backlog.figures().unannounced == 0)
        }
        let test = try gateway()
        #expect(test.backlog.figures().unannounced == 2)
        #expect(try outbox().map(\.news.id) == ids)
        #expect(try outbox().map(\.news.state) == [.answered, .waiting])
    }

    @Test func `of two answers the same one stays everywhere, whichever came first`() throws {
        let test = try gateway()
        var early = news(test, state: .answered)
        early.answer = bytes("b")
        var late = early
        late.changed = early.changed.map { $0 + 1 }
        late.answer = bytes("a")
        var twin = early
        twin.answer = bytes("c")
        for order in [[early, late], [late, early], [early, twin], [twin, early]] {
            let id = TicketID()
            for var news in order {
                news.id = id
                try courier.post.merge([news])
            }
            #expect(try test.backlog.answer(id)?.answer == bytes("b"))
            #expect(try test.backlog.ticket(id)?.changed == early.changed)
        }
    }
}
