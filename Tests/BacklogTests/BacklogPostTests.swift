import Synchronization
import TestSupport
import Testing
import Threads

@testable import Backlog

/// What the courier asks of the backlog.
@Suite struct BacklogPostTests {
    private let folder = try? TemporaryFolder()
    private var path: String { folder?.path ?? "/nowhere" }
    private let courier = HeldCourier()
    private let other = GatewayID(number: 99)

    private func gateway(
        _ daemon: FakeDaemon = FakeDaemon(), isStarted: Bool = true,
        _ change: (inout BacklogConfiguration) -> Void = { _ in }
    ) throws -> TestBacklog {
        try TestBacklog(
            in: path, daemon: daemon, courier: courier, isStarted: isStarted, change)
    }

    private func news(
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

    private func outbox(after mark: Int64? = nil) throws -> [OutboxItem] {
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

    @Test func `an offered ticket is processed, and acknowledged once its answer is told`() throws {
        let test = try gateway()
        test.backlog.tell("mserv1", isWell: true)
        let offered = news(test)
        let outcomes = Outcomes()
        try courier.post.offer(offered, done: outcomes.done)
        #expect(try test.ended(offered.id) == .answered)
        let told = try #require(try outbox().first)
        #expect(told.news.id == offered.id && told.news.owner == other)
        #expect(told.news.state == .answered)
        #expect(outcomes.all.isEmpty)
        try courier.post.told([(offered.id, told.news.revision)])
        #expect(outcomes.wait() == [.ended])
        #expect(test.backlog.figures().helping == 1 && test.backlog.figures().replayed == 0)
        // It comes again: acknowledged without a call.
        try courier.post.offer(offered, done: outcomes.done)
        #expect(outcomes.wait(2) == [.ended, .ended])
        #expect(test.daemon.asked.count == 1)
    }

    @Test func `what has ended, and what nobody needs, is acknowledged without a call`() throws {
        let test = try gateway()
        test.backlog.tell("mserv1", isWell: true)
        let outcomes = Outcomes()
        let deleted = news(test, state: .deleted)
        try courier.post.merge([deleted])
        try courier.post.offer(news(test, id: deleted.id), done: outcomes.done)
        var late = news(test)
        late.expires = test.clock.now
        try courier.post.offer(late, done: outcomes.done)
        #expect(outcomes.wait(2) == [.ended, .ended])
        #expect(test.daemon.asked.isEmpty)
    }

    @Test func `an own ticket comes from the store and is acknowledged with its answer`() throws {
        let test = try gateway()
        let isHeld = Monitor(true)
        test.daemon.answers { request, _ in
            _ = isHeld.wait(until: MonotonicClock.now + 10_000_000_000) { $0 ? nil : true }
            return echo(request)
        }
        let id = try test.accept("mine")
        let item = try #require(try outbox().first)
        test.backlog.tell("mserv1", isWell: true)
        #expect(test.daemon.waitUntilAsked(1))
        let outcomes = Outcomes()
        // It is being processed already.
        try courier.post.offer(item.news, done: outcomes.done)
        try courier.post.offer(item.news, done: outcomes.done)
        isHeld.update(waking: .all) { $0 = false }
        #expect(try test.ended(id) == .answered)
        let answer = try #require(try outbox().first)
        try courier.post.told([(id, answer.news.revision)])
        #expect(outcomes.wait(2) == [.ended, .ended])
        #expect(test.daemon.asked.count == 1)
        #expect(test.backlog.figures().replayed == 1)
    }

    @Test func `when the daemon is lost what was offered goes back`() throws {
        let test = try gateway { $0.replayThreads = 1 }
        test.daemon.answers { _, _ in .unavailable }
        let outcomes = Outcomes()
        try courier.post.offer(news(test), done: outcomes.done)
        #expect(outcomes.all == [.released])
        test.backlog.tell("mserv1", isWell: true)
        let mine = try test.accept("mine")
        for _ in 0..<5 { try courier.post.offer(news(test), done: outcomes.done) }
        #expect(outcomes.wait(6) == Array(repeating: .released, count: 6))
        #expect(try test.backlog.ticket(mine)?.state == .waiting)
        // Nothing of it is begun when the daemon is back: it would come again.
        let asked = test.daemon.asked.count
        test.daemon.answers { request, _ in echo(request) }
        test.backlog.tell("mserv1", isWell: true)
        #expect(try test.ended(mine) == .answered)
        #expect(test.daemon.asked.count == asked + 1)
    }

    @Test func `a failed attempt is rejected, counted, and published again`() throws {
        let test = try gateway { $0.attemptsMax = 3 }
        test.daemon.answers { _, _ in .failed(bytes("broken")) }
        test.backlog.tell("mserv1", isWell: true)
        let outcomes = Outcomes()
        var offered = news(test)
        for attempt in 1...2 {
            try courier.post.offer(offered, done: outcomes.done)
            #expect(outcomes.wait(attempt) == Array(repeating: .failedAttempt, count: attempt))
            let again = try courier.post.deadLetter(offered, isFailure: true)
            #expect(again?.failures == attempt)
            offered = try #require(again)
            test.clock.advance(60_000)
        }
        try courier.post.offer(offered, done: outcomes.done)
        #expect(try test.ended(offered.id) == .failed)
        let told = try #require(try outbox().first)
        #expect(told.news.state == .failed && told.news.answer == bytes("broken"))
        try courier.post.told([(offered.id, told.news.revision)])
        #expect(outcomes.wait(3) == [.failedAttempt, .failedAttempt, .ended])
        #expect(try courier.post.deadLetter(offered, isFailure: true) == nil)
    }

    @Test func `a dead letter of a ticket that is unknown here is kept and goes on`() throws {
        let test = try gateway()
        let letter = news(test, failures: 1)
        #expect(try courier.post.deadLetter(letter, isFailure: false)?.failures == 1)
        #expect(try courier.post.deadLetter(letter, isFailure: true)?.failures == 2)
        #expect(try test.backlog.ticket(letter.id)?.failures == 2)
    }

    @Test func `a pause after a failure holds an offer back, not the others`() throws {
        let test = try gateway { $0.replayThreads = 1 }
        test.daemon.answers { request, _ in
            request == bytes("bad") ? .failed([]) : echo(request)
        }
        test.backlog.tell("mserv1", isWell: true)
        let outcomes = Outcomes()
        let bad = news(test, "bad")
        try courier.post.offer(bad, done: outcomes.done)
        #expect(outcomes.wait() == [.failedAttempt])
        try courier.post.offer(bad, done: outcomes.done)
        let good = news(test, "good")
        try courier.post.offer(good, done: outcomes.done)
        #expect(try test.ended(good.id) == .answered)
        #expect(test.daemon.asked.count == 2)
        test.clock.advance(60_000)
        #expect(test.daemon.waitUntilAsked(3))
    }

    @Test func `withdrawn offers go back, and again when the backlog stops`() throws {
        let test = try gateway()
        let isHeld = Monitor(true)
        test.daemon.answers { request, _ in
            _ = isHeld.wait(until: MonotonicClock.now + 10_000_000_000) { $0 ? nil : true }
            return echo(request)
        }
        test.backlog.tell("mserv1", isWell: true)
        let outcomes = Outcomes()
        for _ in 0..<8 { try courier.post.offer(news(test), done: outcomes.done) }
        #expect(test.daemon.waitUntilAsked(4))
        courier.post.withdrawOffers()
        #expect(outcomes.wait(8) == Array(repeating: .released, count: 8))
        try courier.post.offer(news(test), done: outcomes.done)
        isHeld.update(waking: .all) { $0 = false }
        test.backlog.stop()
        // Answered and not told, or not begun: either way it comes again.
        #expect(outcomes.wait(9).count == 9)
        try courier.post.offer(news(test), done: outcomes.done)
        #expect(outcomes.wait(10).last == .released)
    }

    @Test func `tickets of others have bounds of their own`() throws {
        let test = try gateway { $0.ticketsMax = 2 }
        try courier.post.merge([news(test), news(test), news(test)])
        #expect(test.backlog.figures().dropped == 1)
        _ = try test.accept("one")
        _ = try test.accept("two")
        #expect(throws: BacklogError.self) { try test.accept("three") }
    }

    @Test func `an offer for which there is no place here goes back to those who have some`() throws
    {
        let test = try gateway { $0.ticketsMax = 1 }
        test.backlog.tell("mserv1", isWell: true)
        try courier.post.merge([news(test, "fills the place")])
        let outcomes = Outcomes()
        try courier.post.offer(news(test), done: outcomes.done)
        #expect(outcomes.wait() == [.released])
        #expect(test.daemon.asked.isEmpty)
    }

    @Test func `what is in hand when the daemon goes is given back`() throws {
        let test = try gateway { $0.replayThreads = 1 }
        let isHeld = Monitor(true)
        test.daemon.answers { _, _ in
            _ = isHeld.wait(until: MonotonicClock.now + 10_000_000_000) { $0 ? nil : true }
            return .busy
        }
        test.backlog.tell("mserv1", isWell: true)
        let outcomes = Outcomes()
        try courier.post.offer(news(test), done: outcomes.done)
        #expect(test.daemon.waitUntilAsked(1))
        let mine = try test.accept("mine")
        let item = try #require(try outbox().first { $0.news.id == mine })
        try courier.post.offer(item.news, done: outcomes.done)
        // The call is under way still.
        test.backlog.tell("mserv1", isWell: false)
        #expect(outcomes.wait() == [.released])
        isHeld.update(waking: .all) { $0 = false }
        #expect(outcomes.wait(2) == [.released, .released])
    }

    @Test func `an offer for whose answer there is no place goes back`() throws {
        let test = try gateway { $0.bytesMax = 20_000 }
        test.daemon.answers { request, _ in
            request == bytes("large")
                ? .answered([UInt8](repeating: 1, count: 11_000)) : echo(request)
        }
        test.backlog.tell("mserv1", isWell: true)
        let outcomes = Outcomes()
        let large = news(test, "large")
        try courier.post.offer(large, done: outcomes.done)
        #expect(outcomes.wait() == [.released])
        #expect(try test.backlog.ticket(large.id)?.state == .waiting)
        // At once, without a call.
        try courier.post.offer(large, done: outcomes.done)
        #expect(outcomes.wait(2) == [.released, .released])
        #expect(test.daemon.asked.count == 1)
        // Own tickets have a place of their own.
        #expect(try test.ended(try test.accept("mine")) == .answered)
    }

    @Test func `a request of a later version waits, and goes to those who can read it`() throws {
        let test = try gateway()
        test.daemon.answers { request, _ in
            request == bytes("new") ? .notForUs : echo(request)
        }
        test.backlog.tell("mserv1", isWell: true)
        let outcomes = Outcomes()
        let theirs = news(test, "new")
        try courier.post.offer(theirs, done: outcomes.done)
        #expect(outcomes.wait() == [.released])
        try courier.post.offer(theirs, done: outcomes.done)
        #expect(outcomes.wait(2) == [.released, .released])
        #expect(test.daemon.asked.count == 1)

        let mine = try test.accept("new")
        #expect(test.daemon.waitUntilAsked(2))
        // The others go on meanwhile.
        #expect(try test.ended(try test.accept("old")) == .answered)
        test.clock.advance(59_000)
        #expect(try test.ended(try test.accept("old")) == .answered)
        #expect(test.daemon.asked.count == 4)
        test.clock.advance(1_000)
        #expect(test.daemon.waitUntilAsked(5))
        #expect(try eventually { try test.backlog.ticket(mine)?.isBeingProcessed == false })
        #expect(try test.backlog.ticket(mine)?.failures == 0)
        #expect(try test.backlog.ticket(mine)?.state == .waiting)
        #expect(
            test.log.lines.count { $0.contains("later version") && $0.contains("\(mine)") } == 1)
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
