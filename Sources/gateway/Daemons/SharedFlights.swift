import Threads

/// One flight for many: identical requests at the same time share one call to a daemon.
///
/// A request joins only a flight that starts after it came in, so what the flight sees is fresh for all aboard. Of each
/// key one flight is under way and one waits for it, however many ask; a flight that is waited for longer than patience
/// is joined by the next.
final class SharedFlights<Key: Hashable & Sendable, Cargo: Sendable>: Sendable {
    /// One call, made by its pilot, and what it brought.
    private final class Flight: Sendable {
        let cargo = Monitor<Cargo?>(nil)
    }

    /// The flights of one key.
    private struct Traffic: Sendable {
        var underWay: Flight?
        var waiting: Flight?
    }

    private enum Role: Sendable {
        /// Fly at once.
        case pilot(Flight)
        /// Fly when the one before has landed.
        case nextPilot(Flight, after: Flight)
        /// Wait for what another brings.
        case passenger(Flight)
    }

    private let traffic = Monitor<[Key: Traffic]>([:])
    /// How long a flight waits for the one before, in nanoseconds; then it departs all the same.
    private let patience: Int64
    /// Whether what a flight brought holds for those who came while it was under way, too: then they need none.
    private let isFinal: @Sendable (Cargo) -> Bool

    init(patience: Duration, isFinal: @escaping @Sendable (Cargo) -> Bool) {
        self.patience = patience.wholeNanoseconds
        self.isFinal = isFinal
    }

    /// What a flight brings that starts now or later.
    ///
    /// - Parameter fly: makes the call; it is made on this thread, or another thread's own is made instead.
    func cargo(for key: Key, _ fly: () -> Cargo) -> Cargo {
        switch traffic.update(waking: .none, { Self.board(&$0[key, default: Traffic()]) }) {
        case .pilot(let flight):
            return land(flight, key, with: fly())
        case .nextPilot(let flight, let before):
            let brought = before.cargo.wait(until: MonotonicClock.now + patience) { $0 }
            traffic.update(waking: .none) { traffic in
                traffic[key]?.underWay = flight
                traffic[key]?.waiting = nil
            }
            if let brought, isFinal(brought) { return land(flight, key, with: brought) }
            return land(flight, key, with: fly())
        case .passenger(let flight):
            // Every flight lands: `fly` has a deadline and returns. Who waits for ever would say otherwise.
            return flight.cargo.wait { $0 } ?? fly()
        }
    }

    private static func board(_ traffic: inout Traffic) -> Role {
        if let waiting = traffic.waiting { return .passenger(waiting) }
        let flight = Flight()
        if let before = traffic.underWay {
            traffic.waiting = flight
            return .nextPilot(flight, after: before)
        }
        traffic.underWay = flight
        return .pilot(flight)
    }

    private func land(_ flight: Flight, _ key: Key, with cargo: Cargo) -> Cargo {
        traffic.update(waking: .none) { traffic in
            guard traffic[key]?.underWay === flight else { return }
            traffic[key]?.underWay = nil
            if traffic[key]?.waiting == nil { traffic[key] = nil }
        }
        flight.cargo.update(waking: .all) { $0 = cargo }
        return cargo
    }
}
