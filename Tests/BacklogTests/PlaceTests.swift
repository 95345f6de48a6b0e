import TestSupport
import Testing
import Threads

@testable import Backlog

/// Place for answers: kept from the beginning, and what happens where it is short all the same.
@Suite struct PlaceTests {
    private static let start: Int64 = 1_800_000_000_000
    private static let day: Int64 = 86_400_000
    private let folder = try? TemporaryFolder()
    private var path: String { folder?.path ?? "/nowhere" }
    private let id = TicketID()

    private func machine(bytesMax: Int) -> TicketMachine {
        var limits = TicketLimits()
        limits.bytesMax = bytesMax
        return TicketMachine(me: GatewayID(number: 1), limits: limits)
    }

    private func accepted(_ machine: TicketMachine, answerBytes: Int) -> TicketRecord? {
        machine.step(
            nil, .accept(id, service: "mserv1", request: [1], answerBytes: answerBytes),
            now: Self.start, totals: TicketTotals()
        ).record
    }

    private func answerElsewhere(_ bytes: Int) -> TicketEvent {
        .merge(
            TicketNews(
                id: id, owner: GatewayID(number: 1), service: "mserv1", state: .answered, round: 0,
                created: Self.start, expires: Self.start + Self.day, changed: Self.start,
                failures: 0, revision: 2, request: [1],
                answer: [UInt8](repeating: 1, count: bytes)))
    }

    @Test func `place for the answer is kept, and given back when the answer is there`() throws {
        let machine = machine(bytesMax: 10_000)
        #expect(accepted(machine, answerBytes: 10_000) == nil)
        #expect(accepted(machine, answerBytes: .max) == nil)
        let waiting = try #require(accepted(machine, answerBytes: 9_000))
        #expect(waiting.storedBytes == TicketLimits.rowBytes + 1 + 9_000)
        // Whatever else has come meanwhile.
        var totals = TicketTotals()
        totals.bytes = 1_000_000
        let step = machine.step(
            waiting, .answered([UInt8](repeating: 1, count: 9_000)), now: Self.start,
            totals: totals)
        #expect(step.record?.state == .answered)
        let small = machine.step(waiting, .answered([1]), now: Self.start, totals: totals)
        #expect(small.record?.storedBytes == TicketLimits.rowBytes + 2)
        let expired = machine.step(waiting, .time, now: Self.start + Self.day, totals: totals)
        #expect(expired.record?.storedBytes == TicketLimits.rowBytes)
    }

    @Test func `a ticket that is held does not age`() throws {
        let machine = machine(bytesMax: 10_000)
        let waiting = try #require(accepted(machine, answerBytes: 0))
        var totals = TicketTotals()
        totals.bytes = 12_500
        let late = Self.start + Self.day - 1
        let held = machine.step(waiting, .answered([1]), now: late, totals: totals)
        #expect(held.actions == [.hold])
        #expect(held.record?.expires == late + Self.day)
    }

    @Test func `another gateway's answer to an own ticket is kept, whatever the bounds`() throws {
        let machine = machine(bytesMax: 10_000)
        let waiting = try #require(accepted(machine, answerBytes: 0))
        var totals = TicketTotals()
        totals.bytes = 12_500
        let merged = machine.step(waiting, answerElsewhere(5_000), now: Self.start, totals: totals)
        #expect(merged.record?.state == .answered && merged.record?.answerBytes == 5_000)
    }

    @Test func `a full backlog answers all that it has accepted`() throws {
        let test = try TestBacklog(in: path) { $0.bytesMax = 100_000 }
        test.daemon.answers { _, _ in .answered([UInt8](repeating: 1, count: 10_000)) }
        var ids: [TicketID] = []
        while let ticket = try? test.backlog.accept(
            service: "mserv1", request: [1], answerBytes: 10_000)
        {
            ids.append(ticket.id)
        }
        #expect(ids.count == 9)
        test.backlog.tell("mserv1", isWell: true)
        for id in ids { #expect(try test.ended(id) == .answered) }
        #expect(test.daemon.asked.count == 9)
        #expect(!test.log.lines.contains { $0.contains("can't be kept") })
    }

    @Test func `a daemon whose answers find no place is left alone until there is some`() throws {
        let test = try TestBacklog(in: path) {
            $0.bytesMax = 40_000
            $0.replayThreads = 1
        }
        test.daemon.answers { _, _ in .answered([UInt8](repeating: 1, count: 30_000)) }
        let ids = try (0..<30).map { try test.accept("\($0)") }
        let start = MonotonicClock.now
        test.backlog.tell("mserv1", isWell: true)
        #expect(eventually { test.log.lines.contains { $0.contains("can't be kept") } })
        let answered = try test.backlog.list(state: .answered, after: nil, limit: 9)
        #expect(answered.map(\.id) == [ids[0]])
        #expect(try test.backlog.delete(ids[0]))
        // Not the one that is held: it would hold up the others.
        #expect(
            try eventually {
                try test.backlog.list(state: .answered, after: nil, limit: 9).count == 1
            })
        #expect(MonotonicClock.now - start < ServiceGate.shortestHold)
        // What was in hand when the gate closed; then one at a time.
        #expect(test.daemon.asked.count <= ServiceGate.takeMax + 3)
        #expect(test.log.lines.count { $0.contains("can't be kept") } <= 2)
        let held = try test.backlog.list(state: .waiting, after: nil, limit: 100)
        #expect(held.count == 28 && held.allSatisfy { $0.failures == 0 })
    }

    @Test func `the gate closes longer each time, and opens when there is place`() {
        let second: Int64 = 1_000_000_000
        var gate = ServiceGate(rate: 500, now: 0)
        gate.told(isWell: true)
        #expect(gate.isOpen(now: 0) && gate.takesOffers(now: 0))
        // Another thread's comes at the same time, and one call ends now: that changes nothing.
        var isNew = [gate.held(now: 0), gate.held(now: 1)]
        #expect(isNew == [true, false])
        gate.answered()
        var step = gate.step(now: 1)
        #expect(step == .wait(until: 3 * second))
        #expect(!gate.isOpen(now: 3 * second - 1) && !gate.takesOffers(now: 3 * second - 1))
        var now = 3 * second
        for seconds in [6, 12, 24, 48, 60, 60] as [Int64] {
            #expect(gate.isOpen(now: now))
            isNew.append(gate.held(now: now))
            step = gate.step(now: now)
            #expect(step == .wait(until: now + seconds * second))
            now += seconds * second
        }
        isNew.append(gate.held(now: now))
        gate.thereIsPlace()
        #expect(gate.isOpen(now: now))
        isNew.append(gate.held(now: now))
        #expect(!gate.isOpen(now: now + 59 * second))
        #expect(isNew.count { $0 } == 1)
        let isKept = [gate.kept(), gate.kept()]
        #expect(isKept == [true, false] && gate.isOpen(now: now))
        isNew = [gate.held(now: now)]
        #expect(isNew == [true])

        gate = ServiceGate(rate: 500, now: 0)
        gate.told(isWell: true)
        gate.offersHeld(now: 0)
        #expect(gate.isOpen(now: 0) && !gate.takesOffers(now: 0))
        #expect(gate.takesOffers(now: ServiceGate.shortestHold))
    }
}
