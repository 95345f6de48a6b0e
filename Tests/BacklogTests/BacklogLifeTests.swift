import TestSupport
import Testing
import Threads

@testable import Backlog

/// The whole of it, without a broker.
@Suite struct BacklogLifeTests {
    private let folder = try? TemporaryFolder()
    private var path: String { folder?.path ?? "/nowhere" }

    @Test func `a ticket waits until its daemon is well, and its answer is there to fetch`() throws
    {
        let test = try TestBacklog(in: path)
        let id = try test.accept("what is there")
        let waiting = try #require(try test.backlog.ticket(id))
        #expect(waiting.state == .waiting)
        #expect(waiting.isOwn && !waiting.isBeingProcessed)
        #expect(waiting.expires == waiting.created + 86_400_000)
        #expect(try test.backlog.answer(id) == nil)
        #expect(test.backlog.hasWork("mserv1") && !test.backlog.hasWork("mserv2"))
        test.backlog.tell("mserv1", isWell: true)
        #expect(try test.ended(id) == .answered)
        let answer = try #require(try test.backlog.answer(id))
        #expect(answer.request == bytes("what is there"))
        #expect(answer.answer == bytes("what is there").reversed())
        #expect(answer.ticket.answerBytes == 13)
        #expect(!test.backlog.hasWork("mserv1"))
        #expect(test.daemon.asked.count == 1)
    }

    @Test func `another service's daemon answers nothing of this one`() throws {
        let test = try TestBacklog(in: path)
        let one = try test.accept("one", service: "mserv1")
        let two = try test.accept("two", service: "mserv2")
        test.backlog.tell("mserv2", isWell: true)
        #expect(try test.ended(two) == .answered)
        #expect(try test.backlog.ticket(one)?.state == .waiting)
    }

    @Test func `a deleted ticket is unknown at once and for good`() throws {
        let test = try TestBacklog(in: path)
        let id = try test.accept("x")
        #expect(try test.backlog.delete(id))
        #expect(try test.backlog.ticket(id) == nil)
        #expect(try !test.backlog.delete(id))
        #expect(try !test.backlog.retry(id))
        test.backlog.tell("mserv1", isWell: true)
        #expect(try test.backlog.delete(TicketID()) == false)
        #expect(test.backlog.figures().deleted == 1)
        #expect(test.backlog.figures().storedBytes == TicketLimits.rowBytes)
    }

    @Test func `tickets outlive the backlog, and are replayed by the next one`() throws {
        var ids: [TicketID] = []
        do {
            let test = try TestBacklog(in: path)
            for number in 0..<20 { ids.append(try test.accept("request \(number)")) }
        }
        let test = try TestBacklog(in: path)
        #expect(test.log.lines.contains { $0.contains("TICKETS_WAITING=20") })
        #expect(test.backlog.figures().waiting == ["mserv1": 20, "mserv2": 0])
        #expect(test.backlog.figures().oldestWaiting == test.clock.now)
        test.backlog.tell("mserv1", isWell: true)
        for (number, id) in ids.enumerated() {
            #expect(try test.ended(id) == .answered)
            #expect(try test.backlog.answer(id)?.request == bytes("request \(number)"))
        }
        #expect(test.backlog.figures().replayed == 20)
        #expect(test.backlog.figures().oldestWaiting == nil)
    }

    @Test func `nothing is taken before the start or after the end`() throws {
        let test = try TestBacklog(in: path, isStarted: false)
        #expect(throws: BacklogError.self) { try test.accept("too early") }
        try test.backlog.start()
        let id = try test.accept("in time")
        test.backlog.stop()
        #expect { try test.accept("too late") } throws: { ($0 as? BacklogError)?.code == .stopped }
        #expect { try test.backlog.ticket(id) } throws: {
            ($0 as? BacklogError)?.code == .stopped
        }
        test.backlog.stop()
    }

    @Test func `who waits for a change is told when the backlog stops`() throws {
        let test = try TestBacklog(in: path)
        let id = try test.accept("x")
        let backlog = test.backlog
        concurrently([
            {
                #expect(throws: BacklogError.self) {
                    try backlog.ticket(id, changedFrom: .waiting, within: .seconds(60))
                }
            },
            { backlog.stop() },
        ])
    }

    @Test func `a wait for a change ends with its time`() throws {
        let test = try TestBacklog(in: path)
        let id = try test.accept("x")
        let ticket = try test.backlog.ticket(
            id, changedFrom: .waiting, within: .milliseconds(30))
        #expect(ticket?.state == .waiting)
        #expect(
            try test.backlog.ticket(id, changedFrom: .answered, within: .seconds(60))?.state
                == .waiting)
    }

    @Test func `the operator lists, retries and purges`() throws {
        let test = try TestBacklog(in: path) { $0.attemptsMax = 1 }
        test.daemon.answers { request, _ in
            request == bytes("bad") ? .failed(bytes("broken")) : echo(request)
        }
        let bad = try test.accept("bad")
        let good = try test.accept("good")
        test.backlog.tell("mserv1", isWell: true)
        #expect(try test.ended(bad) == .failed)
        #expect(try test.ended(good) == .answered)
        #expect(try test.backlog.answer(bad)?.answer == bytes("broken"))
        test.backlog.tell("mserv1", isWell: false)
        let later = try test.accept("later")
        let all = try test.backlog.list(state: nil, after: nil, limit: 10)
        #expect(all.map(\.id) == [bad, good, later])
        #expect(try test.backlog.list(state: nil, after: bad, limit: 1).map(\.id) == [good])
        #expect(try test.backlog.list(state: .failed, after: nil, limit: 10).map(\.id) == [bad])
        #expect(try test.backlog.list(state: nil, after: TicketID(), limit: 10).isEmpty)

        #expect(try !test.backlog.retry(good) && !test.backlog.retry(later))
        #expect(try test.backlog.retry(bad))
        #expect(try test.backlog.ticket(bad)?.state == .waiting)
        #expect(try test.backlog.answer(bad) == nil)
        test.daemon.answers { request, _ in echo(request) }
        test.backlog.tell("mserv1", isWell: true)
        #expect(try test.ended(bad) == .answered)
        #expect(try test.ended(later) == .answered)
        #expect(try test.backlog.purge([.answered]) == 3)
        #expect(try test.backlog.list(state: nil, after: nil, limit: 10).isEmpty)
        #expect(try test.backlog.list(state: .deleted, after: nil, limit: 10).count == 3)
    }

    @Test func `an empty request and an empty answer are what they are`() throws {
        let test = try TestBacklog(in: path)
        let id = try test.accept("")
        test.backlog.tell("mserv1", isWell: true)
        #expect(try test.ended(id) == .answered)
        let answer = try #require(try test.backlog.answer(id))
        #expect(answer.request.isEmpty && answer.answer.isEmpty)
    }

    @Test func `a request is there to read while its ticket waits, and as long as it is kept`()
        throws
    {
        let test = try TestBacklog(in: path)
        let id = try test.accept("what is there")
        #expect(try test.backlog.request(id)?.request == bytes("what is there"))
        #expect(try test.backlog.request(id)?.ticket.state == .waiting)
        test.backlog.tell("mserv1", isWell: true)
        #expect(try test.ended(id) == .answered)
        #expect(try test.backlog.request(id)?.request == bytes("what is there"))
        #expect(try test.backlog.request(TicketID()) == nil)
        test.clock.advance(86_400_000)
        #expect(try test.backlog.request(id) == nil)
    }

    @Test func `nobody waits any more once waits are ended`() throws {
        let test = try TestBacklog(in: path)
        let id = try test.accept("x")
        let backlog = test.backlog
        let start = MonotonicClock.now
        concurrently([
            {
                #expect(throws: Never.self) {
                    let ticket = try backlog.ticket(
                        id, changedFrom: .waiting, within: .seconds(60))
                    #expect(ticket?.state == .waiting)
                }
            },
            { backlog.endWaits() },
        ])
        let later = try backlog.ticket(id, changedFrom: .waiting, within: .seconds(60))
        #expect(later?.state == .waiting)
        #expect(MonotonicClock.now - start < 30_000_000_000)
        // All else goes on.
        #expect(try backlog.delete(id))
    }
}
