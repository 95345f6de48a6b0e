import Synchronization
import TestSupport
import Testing
import Threads

@testable import Backlog

/// Tickets of the work queues, and dead letters.
extension BacklogPostTests {
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
            let again = try courier.post.deadLetter(offered)
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
        #expect(try courier.post.deadLetter(offered) == nil)
    }

    @Test func `a dead letter of a ticket that is unknown here is kept and goes on`() throws {
        let test = try gateway()
        let letter = news(test, failures: 1)
        #expect(try courier.post.deadLetter(letter)?.failures == 1)
        #expect(try test.backlog.ticket(letter.id)?.failures == 1)
    }

    @Test func `dead letters that are played back count no failure`() throws {
        let test = try gateway()
        let letter = news(test)
        for _ in 0..<20 { #expect(try courier.post.deadLetter(letter)?.failures == 0) }
        #expect(try test.backlog.ticket(letter.id)?.failures == 0)
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
}
