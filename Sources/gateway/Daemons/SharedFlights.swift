import Threads

/// One flight for many: identical requests at the same time share one call to a daemon.
///
/// A request joins only a flight that starts after it came in, so what the flight sees is fresh for all aboard. Of each
/// key one flight is under way and one waits for it, however many ask; a flight that is waited for longer than patience
/// is joined by the next. While calls are quick any number may wait; once one is slow only so many: those who ask a hung
/// daemon for the same must not take all workers.
final class SharedFlights<Key: Hashable & Sendable, Cargo: Sendable>: Sendable {
    /// One call, made by its pilot, and what it brought.
    private final class Flight: Sendable {
        let cargo = Monitor<Cargo?>(nil)
    }

    /// The flights of one key.
    private struct Traffic: Sendable {
        var underWay: Flight?
        var waiting: Flight?
        /// When the one under way departed, in nanoseconds of `CLOCK_MONOTONIC`.
        var departed: Int64 = 0
    }

    private struct State: Sendable {
        var traffic: [Key: Traffic] = [:]
        var passengers = 0
    }

    private enum Role: Sendable {
        /// Fly at once.
        case pilot(Flight)
        /// Fly when the one before has landed.
        case nextPilot(Flight, after: Flight)
        /// Wait for what another brings; the flight is slow from then on.
        case passenger(Flight, slowAt: Int64)
    }

    private let state = Monitor(State())
    /// How long a flight waits for the one before, in nanoseconds; then it departs all the same.
    private let patience: Int64
    private let passengersMax: Int
    /// Whether what a flight brought holds for those who came while it was under way, too: then they need none.
    private let isFinal: @Sendable (Cargo) -> Bool

    /// How long a flight may take before it is slow.
    static var slowAfter: Duration { .seconds(1) }

    /// - Parameter passengersMax: how many may go on waiting for slow flights of others, of all keys.
    init(
        patience: Duration, passengersMax: Int = .max, isFinal: @escaping @Sendable (Cargo) -> Bool
    ) {
        self.patience = patience.wholeNanoseconds
        self.passengersMax = passengersMax
        self.isFinal = isFinal
    }

    /// What a flight brings that starts now or later; nil: too many wait for slow ones.
    ///
    /// - Parameter fly: makes the call; it is made on this thread, or another thread's own is made instead.
    func cargo(for key: Key, _ fly: () -> Cargo) -> Cargo? {
        switch state.update(waking: .none, { Self.board(&$0.traffic[key, default: Traffic()]) }) {
        case .pilot(let flight):
            return land(flight, key, with: fly())
        case .nextPilot(let flight, let before):
            let brought = before.cargo.wait(until: MonotonicClock.now + patience) { $0 }
            state.update(waking: .none) { state in
                state.traffic[key]?.underWay = flight
                state.traffic[key]?.waiting = nil
                state.traffic[key]?.departed = MonotonicClock.now
            }
            if let brought, isFinal(brought) { return land(flight, key, with: brought) }
            return land(flight, key, with: fly())
        case .passenger(let flight, let slowAt):
            return ride(flight, slowAt: slowAt)
        }
    }

    /// Every flight lands: a call has a deadline.
    private func ride(_ flight: Flight, slowAt: Int64) -> Cargo? {
        if let cargo = flight.cargo.wait(until: slowAt, { $0 }) { return cargo }
        let mayWait = state.update(waking: .none) { state in
            guard state.passengers < passengersMax else { return false }
            state.passengers += 1
            return true
        }
        guard mayWait else { return nil }
        defer { state.update(waking: .none) { $0.passengers -= 1 } }
        return flight.cargo.wait { $0 }
    }

    private static func board(_ traffic: inout Traffic) -> Role {
        let slowAt = traffic.departed + slowAfter.wholeNanoseconds
        if let waiting = traffic.waiting { return .passenger(waiting, slowAt: slowAt) }
        let flight = Flight()
        if let before = traffic.underWay {
            traffic.waiting = flight
            return .nextPilot(flight, after: before)
        }
        traffic.underWay = flight
        traffic.departed = MonotonicClock.now
        return .pilot(flight)
    }

    private func land(_ flight: Flight, _ key: Key, with cargo: Cargo) -> Cargo {
        state.update(waking: .none) { state in
            guard state.traffic[key]?.underWay === flight else { return }
            state.traffic[key]?.underWay = nil
            if state.traffic[key]?.waiting == nil { state.traffic[key] = nil }
        }
        flight.cargo.update(waking: .all) { $0 = cargo }
        return cargo
    }
}
