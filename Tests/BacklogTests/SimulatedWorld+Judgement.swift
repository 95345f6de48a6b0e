@testable import Backlog

/// What must hold: after each step, and of all when the world is well again.
extension SimulatedWorld {
    mutating func apply(_ event: TicketEvent, to id: TicketID, at place: Int) {
        let before = gateways[place].kept(id)
        var event = event
        if case .merge(let news, _) = event { event = .merge(news, kept: before?.answer) }
        let (after, actions) = gateways[place].machine.step(
            before?.record, event, now: now + gateways[place].skew, totals: gateways[place].totals)
        note(actions)
        guard let after else {
            guard let before else { return }
            let isPast = before.record.isTrace && isTight
            if !isPast { complain("\(id) was forgotten before its time") }
            gateways[place].totals.remove(before.record)
            gateways[place].open[id] = .some(nil)
            return
        }
        if actions.contains(.hold), case .answered(let answer) = event,
            answer.count <= after.reservedBytes
        {
            complain("\(id) has place for its answer and is held")
        }
        if case .accept = event,
            gateways[place].totals.bytes + after.storedBytes
                > gateways[place].machine.limits.bytesMax
        {
            complain("\(id) was accepted without place")
        }
        var kept = Kept(record: after, request: before?.request, answer: before?.answer)
        for action in actions {
            switch action {
            case .keepRequest(let bytes): kept.request = bytes
            case .keepAnswer(let bytes): kept.answer = bytes
            case .dropAnswer: kept.answer = nil
            case .dropBytes: (kept.request, kept.answer) = (nil, nil)
            case .count, .refuse, .hold, .tryAgain: break
            }
        }
        if let before { gateways[place].totals.remove(before.record) }
        gateways[place].totals.add(after)
        if before?.record != after || before?.answer != kept.answer {
            gateways[place].open[id] = .some(kept)
        }
        if let owner = before?.record.owner, owner != after.owner {
            complain("\(id) has a new owner")
        }
        if after.requestBytes != kept.request?.count ?? 0
            || after.answerBytes != kept.answer?.count ?? 0
        {
            complain("\(id) counts other bytes than it has")
        }
    }

    mutating func note(_ actions: [TicketAction]) {
        for action in actions {
            switch action {
            case .keepRequest: self.actions.insert("keepRequest")
            case .keepAnswer: self.actions.insert("keepAnswer")
            case .dropAnswer: self.actions.insert("dropAnswer")
            case .dropBytes: self.actions.insert("dropBytes")
            case .count(let count): counts[count, default: 0] += 1
            case .refuse: self.actions.insert("refuse")
            case .hold: self.actions.insert("hold")
            case .tryAgain: self.actions.insert("tryAgain")
            }
        }
    }

    mutating func check(_ kept: Kept, at place: Int) {
        let record = kept.record
        // The order of the state machine: answered and deleted stand above all rounds of failures.
        let rank: Int =
            switch record.state {
            case .waiting: 2 * record.round
            case .failed: 2 * record.round + 1
            case .answered: .max - 2
            case .expired: .max - 1
            case .deleted: .max
            }
        // In a tight world an answered one may have expired unseen, and wait again in a later round of another gateway's.
        if let last = seen[place][record.id], rank < last, !isTight || last == .max {
            complain("\(record.id) went from rank \(last) back to \(rank)")
        }
        seen[place][record.id] = rank
        if let request = requests[record.id] {
            if let given = kept.request, given != request {
                complain("\(record.id) has another's request")
            }
            if record.state == .answered,
                kept.answer?.starts(with: Self.answer(to: request)) != true
            {
                complain("\(record.id) has another's answer")
            }
        }
    }

    mutating func complain(_ text: String) {
        if complaint == nil { complaint = text }
    }

    // MARK: The end

    /// All is well for a long time: every ticket must end, everywhere, as it was promised.
    mutating func heal() {
        isBrokerThere = true
        for place in gateways.indices { gateways[place].daemon = .well }
        for _ in 0..<4_000 {
            now += 200
            for place in gateways.indices {
                commit(place)
                beginWork(place)
                endWork(place)
                deliverWork(place)
                deliverDead(place)
                publish(place)
                confirm(place)
                deliver(place)
            }
        }
        for place in gateways.indices {
            if isTight { sweep(place) }
            commit(place)
            var totals = TicketTotals()
            for kept in gateways[place].disk.values { totals.add(kept.record) }
            totals.waiting = totals.waiting.filter { $0.value > 0 }
            gateways[place].totals.waiting = gateways[place].totals.waiting.filter { $0.value > 0 }
            if totals != gateways[place].totals { complain("gateway \(place) counts wrongly") }
        }
        if isTight {
            for id in promised {
                guard let place = promisedPlace[id], let kept = gateways[place].disk[id] else {
                    continue
                }
                if kept.record.state == .waiting { complain("\(id) waits for ever") }
            }
            return
        }
        for id in promised {
            var answers: Set<[UInt8]?> = []
            var states: Set<TicketState> = []
            for place in gateways.indices {
                guard let kept = gateways[place].disk[id] else {
                    complain("\(id) is not known everywhere")
                    continue
                }
                check(kept, at: place)
                states.insert(kept.record.state)
                answers.insert(kept.answer)
            }
            if answers.count > 1 { complain("\(id) has another answer elsewhere") }
            let isRight =
                deleted.contains(id)
                ? states == [.deleted] : states == [.answered] || states == [.failed]
            if !isRight { complain("\(id) ends as \(states)") }
            answeredAtEnd += deleted.contains(id) ? 0 : 1
        }
    }
}
