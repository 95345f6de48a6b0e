import TestSupport

@testable import Backlog

/// Clients and the operator; and what is forgotten, so that the world stays small.
extension SimulatedWorld {
    mutating func delete(_ place: Int) {
        guard random.oneIn(6), !promised.isEmpty else { return }
        let id = random.pick(promised)
        apply(.delete, to: id, at: place)
        guard gateways[place].kept(id)?.record.state == .deleted else { return }
        // The 204 comes after the commit.
        commit(place)
        deleted.insert(id)
    }

    /// The operator has a failed ticket tried again.
    mutating func retry(_ place: Int) {
        guard !promised.isEmpty else { return }
        let id = random.pick(promised)
        if gateways[place].kept(id)?.record.state == .failed {
            apply(.retry, to: id, at: place)
            retried += 1
        }
    }

    /// A client looks at a ticket: only at what is durable.
    mutating func look(_ place: Int) {
        guard !promised.isEmpty else { return }
        let id = random.pick(promised)
        guard let kept = gateways[place].disk[id] else {
            if promisedPlace[id] == place, !isTight {
                complain("\(id) is lost where it was accepted")
            }
            return
        }
        check(kept, at: place)
    }

    /// Forgets a ticket that has ended everywhere, so that the world stays small.
    mutating func retire() {
        if isTight { return retireTraces() }
        for id in promised {
            let everywhere = gateways.allSatisfy { gateway in
                guard let record = gateway.disk[id]?.record, gateway.open[id] == nil else {
                    return false
                }
                return record.state != .waiting && record.isTold
            }
            // Gateways that do not agree are looked at again when the world is well.
            let states = Set(gateways.map { $0.disk[id]?.record.state })
            let answers = Set(gateways.map { $0.disk[id]?.answer })
            guard everywhere, states.count == 1, answers.count == 1 else { continue }
            forget(id)
        }
        promised.removeAll { promisedPlace[$0] == nil }
    }

    mutating func forget(_ id: TicketID) {
        for place in gateways.indices {
            if let kept = gateways[place].disk.removeValue(forKey: id) {
                check(kept, at: place)
                if kept.record.state == .failed, place == promisedPlace[id] { failed += 1 }
                gateways[place].totals.remove(kept.record)
            }
            seen[place][id] = nil
        }
        retireMessages(of: id)
        requests[id] = nil
        promisedPlace[id] = nil
        forgotten += 1
    }

    /// Forgets what its owner has forgotten, or keeps as a trace only.
    mutating func retireTraces() {
        for id in promised {
            guard gateways.allSatisfy({ $0.open[id] == nil }), let place = promisedPlace[id],
                gateways[place].disk[id]?.record.isTrace ?? true
            else { continue }
            forget(id)
        }
        promised.removeAll { promisedPlace[$0] == nil }
    }

    /// Time passes for all that a gateway has.
    mutating func sweep(_ place: Int) {
        let known = Set(gateways[place].disk.keys).union(gateways[place].open.keys)
        for id in known.sorted(by: { ($0.high, $0.low) < ($1.high, $1.low) }) {
            apply(.time, to: id, at: place)
        }
    }

    mutating func retireMessages(of id: TicketID) {
        for place in gateways.indices {
            queues[place].removeAll { $0.news.id == id }
            gateways[place].unacknowledged.removeAll { $0.news.id == id }
            gateways[place].unconfirmed.removeAll { $0.id == id }
            gateways[place].atWork.removeAll { $0.id == id }
        }
        work.removeAll { $0.news.id == id }
        dead.removeAll { $0.news.id == id }
    }
}
