import Synchronization
import TestSupport
import Testing
import Threads

@testable import Backlog

/// Waiting tickets are answered while their daemon is well, in order and not faster than allowed.
@Suite struct ReplayTests {
    private let folder = try? TemporaryFolder()
    private var path: String { folder?.path ?? "/nowhere" }

    private func ended(_ ids: [TicketID], _ test: TestBacklog) throws {
        for id in ids { #expect(try test.ended(id) == .answered) }
    }

    @Test func `the oldest comes first`() throws {
        let test = try TestBacklog(in: path) { $0.replayThreads = 1 }
        let texts = (0..<30).map { "request \($0)" }
        let ids = try texts.map { text in
            test.clock.advance(1)
            return try test.accept(text)
        }
        test.backlog.tell("mserv1", isWell: true)
        try ended(ids, test)
        #expect(test.daemon.asked == texts.map { bytes($0) })
    }

    @Test func `no more at once than there are threads, and all threads help`() throws {
        let test = try TestBacklog(in: path) { $0.replayThreads = 3 }
        let atOnce = Monitor(0)
        test.daemon.answers { request, before in
            // The first three meet; nobody can be a fourth.
            if before < 3 {
                atOnce.update(waking: .all) { $0 += 1 }
                _ = atOnce.wait(until: MonotonicClock.now + 10_000_000_000) {
                    $0 >= 3 ? true : nil
                }
            }
            return echo(request)
        }
        let ids = try (0..<40).map { try test.accept("\($0)") }
        test.backlog.tell("mserv1", isWell: true)
        try ended(ids, test)
        #expect(atOnce.update(waking: .none) { $0 } == 3)
        #expect(test.daemon.mostAtOnce == 3)
        #expect(test.daemon.asked.count == 40)
    }

    @Test func `a herd does not come faster than its rate`() throws {
        let test = try TestBacklog(in: path) { $0.replayRate = 200 }
        let ids = try (0..<120).map { try test.accept("\($0)") }
        let start = MonotonicClock.now
        test.backlog.tell("mserv1", isWell: true)
        try ended(ids, test)
        let seconds = Double(MonotonicClock.now - start) / 1e9
        // 20 at once, 100 more at 200 a second.
        #expect(seconds >= 0.5)
        print("120 tickets at 200 a second took \(seconds) s")
    }

    @Test func `the first is answered at once when its daemon is back`() throws {
        let test = try TestBacklog(in: path)
        let id = try test.accept("x")
        let start = MonotonicClock.now
        test.backlog.tell("mserv1", isWell: true)
        #expect(try test.ended(id) == .answered)
        print("first answer after \((MonotonicClock.now - start) / 1_000) µs")
    }

    @Test func `a lost daemon costs no failure, and is left alone until it is well again`() throws {
        let test = try TestBacklog(in: path) { $0.replayThreads = 2 }
        test.daemon.answers { request, before in before == 3 ? .unavailable : echo(request) }
        let ids = try (0..<20).map { try test.accept("\($0)") }
        test.backlog.tell("mserv1", isWell: true)
        #expect(test.daemon.waitUntilAsked(4))
        let backlog = test.backlog
        // The other thread may have had one in its hands.
        #expect(
            try eventually {
                try backlog.list(state: .waiting, after: nil, limit: 100)
                    .allSatisfy { !$0.isBeingProcessed }
            })
        let asked = test.daemon.asked.count
        #expect(asked <= 5)
        let waiting = try backlog.list(state: .waiting, after: nil, limit: 100)
        #expect(waiting.count >= 15)
        #expect(waiting.allSatisfy { $0.failures == 0 })
        // A look that found it well before the failure is not told; the next one is.
        test.backlog.tell("mserv1", isWell: true)
        try ended(ids, test)
        #expect(test.daemon.asked.count == 21)
    }

    @Test func `a busy daemon is asked again after a pause`() throws {
        let test = try TestBacklog(in: path)
        test.daemon.answers { request, before in before < 3 ? .busy : echo(request) }
        let id = try test.accept("x")
        let start = MonotonicClock.now
        test.backlog.tell("mserv1", isWell: true)
        #expect(try test.ended(id) == .answered)
        // 25…50, 50…100, 100…200 ms.
        #expect(MonotonicClock.now - start >= 175_000_000)
        #expect(test.daemon.asked.count == 4)
        #expect(try test.backlog.ticket(id)?.failures == 0)
    }

    @Test func `a ticket that fails again and again ends, the others go on`() throws {
        let test = try TestBacklog(in: path)
        test.daemon.answers { request, before in
            request == bytes("bad") ? .failed(bytes("failure \(before)")) : echo(request)
        }
        let bad = try test.accept("bad")
        test.backlog.tell("mserv1", isWell: true)
        for failure in 1...4 {
            #expect(
                try eventually {
                    let ticket = try test.backlog.ticket(bad)
                    return ticket?.failures == failure && ticket?.isBeingProcessed == false
                })
            let good = try test.accept("good \(failure)")
            #expect(try test.ended(good) == .answered)
            #expect(try test.backlog.ticket(bad)?.state == .waiting)
            // Past any back-off; the replay looks at the clock once a second at least.
            test.clock.advance(60_000)
        }
        #expect(try test.ended(bad) == .failed)
        #expect(try test.backlog.answer(bad)?.answer.starts(with: bytes("failure ")) == true)
        #expect(test.daemon.asked.count { $0 == bytes("bad") } == 5)
        #expect(test.backlog.figures().failed == 1)
        #expect(test.log.lines.contains { $0.contains("failed") && $0.contains("\(bad)") })
    }

    @Test func `a paused ticket can be tried at once`() throws {
        let test = try TestBacklog(in: path)
        test.daemon.answers { request, before in
            before == 0 ? .failed([]) : echo(request)
        }
        let id = try test.accept("x")
        test.backlog.tell("mserv1", isWell: true)
        #expect(try eventually { try test.backlog.ticket(id)?.failures == 1 })
        #expect(try test.backlog.retry(id))
        #expect(try test.ended(id) == .answered)
    }

    @Test func `a ticket in work says so, and can be deleted meanwhile`() throws {
        let test = try TestBacklog(in: path)
        let isHeld = Monitor(true)
        test.daemon.answers { request, _ in
            _ = isHeld.wait(until: MonotonicClock.now + 10_000_000_000) { $0 ? nil : true }
            return echo(request)
        }
        let id = try test.accept("x")
        test.backlog.tell("mserv1", isWell: true)
        #expect(test.daemon.waitUntilAsked(1))
        #expect(try test.backlog.ticket(id)?.isBeingProcessed == true)
        #expect(try test.backlog.delete(id))
        isHeld.update(waking: .all) { $0 = false }
        test.backlog.stop()
        #expect(test.backlog.figures().replayed == 0)
        let again = try TestBacklog(in: path)
        #expect(try again.backlog.ticket(id) == nil)
    }

    @Test func `an answer for which there is no place is asked for again`() throws {
        let test = try TestBacklog(in: path) { $0.bytesMax = 40_000 }
        test.daemon.answers { _, _ in .answered([UInt8](repeating: 1, count: 30_000)) }
        let first = try test.accept("a")
        let second = try test.accept("b")
        test.backlog.tell("mserv1", isWell: true)
        #expect(
            try eventually {
                try test.backlog.list(state: .answered, after: nil, limit: 9).count == 1
            })
        #expect(eventually { test.log.lines.contains { $0.contains("no place") } })
        let answered = try test.backlog.list(state: .answered, after: nil, limit: 9)
        let kept = try #require(answered.first?.id)
        let held = kept == first ? second : first
        #expect(try test.backlog.ticket(held)?.failures == 0)
        #expect(test.backlog.figures().storedBytes <= 50_000)
        #expect(try test.backlog.delete(kept))
        test.clock.advance(60_000)
        #expect(try test.ended(held) == .answered)
    }

    @Test func `tokens come at their rate and are not saved up`() {
        var bucket = TokenBucket(rate: 100, now: 0)
        #expect(bucket.take(100, now: 0) == 10)
        #expect(bucket.take(1, now: 0) == 0)
        #expect(bucket.nextToken(now: 0) >= 10_000_000)
        #expect(bucket.take(1, now: 9_000_000) == 0)
        #expect(bucket.take(5, now: 21_000_000) == 2)
        bucket.giveBack(1)
        #expect(bucket.take(5, now: 21_000_000) == 1)
        #expect(bucket.take(100, now: 60_000_000_000) == 10)
    }
}
