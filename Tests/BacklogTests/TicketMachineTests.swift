import TestSupport
import Testing

@testable import Backlog

/// The life of a ticket, step by step.
@Suite struct TicketMachineTests {
    private static let start: Int64 = 1_800_000_000_000
    private static let day: Int64 = 86_400_000
    private let me = GatewayID(number: 1)
    private let other = GatewayID(number: 2)

    private func machine(_ change: (inout TicketLimits) -> Void = { _ in }) -> TicketMachine {
        var limits = TicketLimits()
        change(&limits)
        return TicketMachine(me: me, limits: limits)
    }

    /// What a ticket has become after some events, a millisecond apart.
    private func after(
        _ events: [TicketEvent], _ machine: TicketMachine, from record: TicketRecord? = nil,
        at time: Int64 = Self.start
    ) -> TicketRecord? {
        var record = record
        for (place, event) in events.enumerated() {
            record =
                machine.step(
                    record, event, now: time + Int64(place), totals: TicketTotals()
                ).record
        }
        return record
    }

    private var accepted: TicketEvent {
        .accept(id, service: "mserv1", request: [1, 2, 3], answerBytes: 0)
    }
    private let id = TicketID()

    private func news(
        _ state: TicketState, round: Int = 0, owner: GatewayID? = nil, failures: Int = 0
    ) -> TicketEvent {
        .merge(
            TicketNews(
                id: id, owner: owner ?? other, service: "mserv1", state: state, round: round,
                created: Self.start, expires: Self.start + Self.day,
                changed: state == .waiting ? nil : Self.start, failures: failures, revision: 7,
                request: [1, 2, 3], answer: state == .waiting ? nil : [9]))
    }

    @Test func `a request becomes a waiting ticket that others are to hear of`() throws {
        let record = try #require(after([accepted], machine()))
        #expect(record.state == .waiting && record.isOwn && !record.isTold)
        #expect(record.revision == 1 && record.requestBytes == 3)
        #expect(record.expires == Self.start + Self.day)
    }

    @Test func `the first result stays`() throws {
        let record = try #require(
            after([accepted, .answered([1, 1]), .answered([2])], machine()))
        #expect(record.state == .answered && record.answerBytes == 2)
        #expect(record.expires == Self.start + 1 + Self.day)
        // Another gateway's is the earlier one: all come to the same.
        let merged = after([news(.answered)], machine(), from: record)
        #expect(merged?.answerBytes == 1 && merged?.changed == Self.start)
        #expect(after([.answered([2, 2])], machine(), from: merged) == merged)
        let failed = try #require(
            after(
                [accepted, .failed([1], jitter: 0), .answered([2, 2])],
                machine { $0.attemptsMax = 1 }))
        #expect(failed.state == .failed && failed.answerBytes == 1)
    }

    @Test func `an answer of another gateway stands above a failure of this one`() {
        let machine = machine { $0.attemptsMax = 1 }
        let record = after([accepted, .failed([1], jitter: 0), news(.answered)], machine)
        #expect(record?.state == .answered)
        #expect(after([accepted, news(.answered), news(.failed)], machine)?.state == .answered)
    }

    @Test(arguments: [0.0, 0.5, 1.0])
    func `failures back off and end`(jitter: Double) throws {
        let machine = machine()
        var record = after([accepted], machine)
        for failure in 1...4 {
            record = after([.failed([7], jitter: jitter)], machine, from: record)
            let found = try #require(record)
            #expect(found.state == .waiting && found.failures == failure)
            let whole = Int64(1_000) << Int64(failure - 1)
            let delay = found.notBefore - Self.start
            #expect(delay >= whole / 2 && delay <= whole)
        }
        record = after([.failed([7], jitter: jitter)], machine, from: record)
        #expect(record?.state == .failed && record?.answerBytes == 1)
        for failures in 0...100 {
            #expect(TicketMachine.backOff(failures: failures, jitter: jitter) <= 60_000)
        }
    }

    @Test(arguments: TicketState.allCases)
    func `nothing that is told late brings a deleted ticket back`(state: TicketState) {
        let machine = machine()
        for events in [[accepted, .delete], [accepted, news(.deleted)], [news(.deleted)]] {
            let late: [TicketEvent] = [
                news(state), news(state, round: 9), .answered([1]), .failed([1], jitter: 0), .retry,
            ]
            #expect(after(events + late, machine)?.state == .deleted)
        }
    }

    @Test func `a deletion is told, one that was told is not`() {
        let machine = machine()
        let deleted = after([accepted, .answered([1]), .told(revision: 2), .delete], machine)
        #expect(deleted?.isTold == false && deleted?.revision == 3)
        #expect(deleted?.requestBytes == 0 && deleted?.answerBytes == 0)
        #expect(after([accepted, news(.deleted)], machine)?.isTold == true)
    }

    @Test func `only the newest revision is told`() {
        let machine = machine()
        #expect(after([accepted, .told(revision: 1)], machine)?.isTold == true)
        #expect(after([accepted, .answered([1]), .told(revision: 1)], machine)?.isTold == false)
        #expect(after([accepted, .answered([1]), .told(revision: 2)], machine)?.isTold == true)
    }

    @Test func `time ends a ticket, its answer, and the memory of it`() throws {
        let machine = machine()
        let waiting = after([accepted], machine)
        let end = Self.start + Self.day
        #expect(after([.time], machine, from: waiting, at: end - 1) == waiting)
        let (expired, actions) = machine.step(
            waiting, .time, now: end, totals: TicketTotals())
        #expect(expired?.state == .expired && expired?.isTold == true)
        #expect(actions == [.dropBytes, .count(.expired)])
        // An answer that comes too late is none.
        #expect(
            after([.answered([1])], machine, from: waiting, at: end)?.state == .expired)
        #expect(after([.time], machine, from: expired, at: end + Self.day - 1) == expired)
        #expect(after([.time], machine, from: expired, at: end + Self.day) == nil)

        let answered = after([accepted, .answered([1])], machine)
        let (past, quiet) = machine.step(
            answered, .time, now: end + 1, totals: TicketTotals())
        #expect(past?.state == .expired)
        #expect(quiet == [.dropBytes])
    }

    @Test func `a later round takes a failed ticket back to waiting everywhere`() throws {
        let machine = machine { $0.attemptsMax = 1 }
        let again = try #require(after([accepted, .failed([1], jitter: 0), .retry], machine))
        #expect(again.state == .waiting && again.round == 1 && again.failures == 0)
        #expect(again.answerBytes == 0 && !again.isTold)
        #expect(after([news(.failed), news(.waiting, round: 1)], machine)?.state == .waiting)
        #expect(after([news(.failed), news(.waiting)], machine)?.state == .failed)
        #expect(
            after([news(.failed), news(.failed, round: 1), news(.waiting, round: 1)], machine)?
                .state == .failed)
        #expect(after([news(.answered), news(.waiting, round: 1)], machine)?.state == .answered)
        #expect(after([accepted, .answered([1]), .retry], machine)?.round == 0)
    }

    @Test func `failures elsewhere are counted once, and never end a ticket without a word`() {
        let machine = machine()
        let one: [TicketEvent] = [accepted, .failedElsewhere(failures: 0)]
        #expect(after(one, machine)?.failures == 1)
        #expect(after(one + [.failedElsewhere(failures: 0)], machine)?.failures == 1)
        #expect(after(one + [.failedElsewhere(failures: 99)], machine)?.failures == 4)
        #expect(after(one + [.failedElsewhere(failures: 99)], machine)?.state == .waiting)
        #expect(after([accepted, news(.waiting, failures: 3)], machine)?.failures == 3)
    }

    @Test func `the bounds are reached, and say which`() {
        let machine = machine {
            $0.ticketsMax = 2
            $0.bytesMax = 10_000
        }
        var totals = TicketTotals()
        totals.ownWaiting = 2
        #expect(
            machine.step(nil, accepted, now: 0, totals: totals).actions
                == [.refuse("2 tickets wait")])
        totals.ownWaiting = 1
        totals.bytes = 10_000 - TicketLimits.rowBytes - 3
        #expect(machine.step(nil, accepted, now: 0, totals: totals).record != nil)
        totals.bytes += 1
        #expect(machine.step(nil, accepted, now: 0, totals: totals).record == nil)
        // What was accepted may be answered a little longer; then it waits.
        let waiting = after([accepted], machine)
        totals.bytes = 12_500
        let held = machine.step(waiting, .answered([1]), now: Self.start, totals: totals)
        #expect(held.actions == [.hold])
        #expect(held.record?.state == .waiting && held.record?.failures == 0)
        // The sooner it is tried again, the better: it is its service's gate that waits.
        #expect(held.record?.notBefore == 0)
        totals.bytes = 12_499
        let kept = machine.step(waiting, .answered([1]), now: Self.start, totals: totals)
        #expect(kept.record?.state == .answered)
    }

    @Test func `tickets of others never take more than half of the place`() {
        let machine = machine { $0.bytesMax = 10_000 }
        var totals = TicketTotals()
        totals.foreignBytes = 5_000 - TicketLimits.rowBytes - 3
        #expect(
            machine.step(nil, news(.waiting), now: Self.start, totals: totals).record != nil)
        totals.foreignBytes += 1
        let dropped = machine.step(nil, news(.waiting), now: Self.start, totals: totals)
        #expect(dropped.record == nil && dropped.actions == [.count(.dropped)])
    }

    @Test func `news that are past their time are not kept`() {
        let machine = machine()
        let late = Self.start + Self.day
        #expect(after([news(.waiting)], machine, at: late) == nil)
        #expect(after([news(.answered)], machine, at: late) == nil)
        #expect(after([news(.deleted)], machine, at: late)?.state == .deleted)
        #expect(after([news(.deleted)], machine, at: late + Self.day) == nil)
    }

    @Test func `help is counted for whom it is`() {
        let machine = machine()
        let totals = TicketTotals()
        let own = after([accepted], machine)
        let foreign = after([news(.waiting)], machine)
        let now = Self.start + 1
        #expect(
            machine.step(own, news(.answered), now: now, totals: totals).actions.contains(
                .count(.helped)))
        #expect(
            machine.step(own, .answered([1]), now: now, totals: totals).actions.contains(
                .count(.replayed)))
        #expect(
            machine.step(foreign, .answered([1]), now: now, totals: totals).actions.contains(
                .count(.helping)))
        #expect(
            machine.step(foreign, news(.answered), now: now, totals: totals).actions
                == [.keepAnswer([9])])
    }

    @Test func `ids read what they write, and nothing else`() {
        for _ in 0..<100 {
            let id = TicketID()
            #expect(TicketID(id.description) == id)
            #expect(TicketID(bytes: id.bytes) == id)
            #expect(GatewayID(GatewayID(number: id.low).description)?.number == id.low)
        }
        let digits = "0123456789abcdef0123456789abcdef"
        #expect(TicketID(digits)?.description == digits)
        for wrong in [
            "", "0", String(digits.dropLast()), digits + "0", digits.uppercased(),
            "+123456789abcdef0123456789abcdef", "0123456789abcdeg0123456789abcdef",
        ] {
            #expect(TicketID(wrong) == nil)
        }
        #expect(GatewayID("+123456789abcdef") == nil)
    }
}
