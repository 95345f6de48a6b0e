import RPC
import Synchronization
import Threads

/// One flight for many: identical requests at the same time share one call to a daemon.
///
/// A request joins only a flight that starts after it came in, so what the flight sees is fresh for all aboard. Of each
/// key one flight is under way and one waits for it, however many ask; a flight that is waited for longer than patience
/// is joined by the next. While calls are quick any number may wait; once one is slow only so many: those who ask a hung
/// daemon for the same must not take all workers. A flight that all aboard have left is cancelled.
final class SharedFlights<Key: Hashable & Sendable, Cargo: Sendable>: Sendable {
    /// One call, made by its pilot, and what it brought.
    private final class Flight: Sendable {
        let cargo = Promise<Cargo>()
        let cancellation = RPCCancellation()
        /// Changes with the state's lock held.
        let aboard = Atomic(1)

        var isAbandoned: Bool { aboard.load(ordering: .relaxed) == 0 }
    }

    /// Calls what it is given when the client of a request has gone: at most once, at once if it has gone already.
    typealias Farewell = (@escaping @Sendable () -> Void) -> Void

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

    /// What a flight brings that starts now or later; nil: too many wait for slow ones, or the client has gone.
    ///
    /// - Parameters:
    ///   - whenGone: tells that whoever asks has gone.
    ///   - fly: makes the call, which can be cancelled; it is made on this thread, or another thread's own is made instead.
    func cargo(
        for key: Key, whenGone: Farewell? = nil, _ fly: (RPCCancellation) -> Cargo
    ) -> Cargo? {
        let role = state.update(waking: .none) {
            Self.board(&$0.traffic[key, default: Traffic()])
        }
        switch role {
        case .pilot(let flight):
            whenGone?({ [state] in Self.leave(flight, of: key, state) })
            return land(flight, key, with: fly(flight.cancellation))
        case .nextPilot(let flight, let before):
            whenGone?({ [state] in Self.leave(flight, of: key, state) })
            var brought: Cargo?
            if case .value(let cargo) = before.cargo.wait(until: MonotonicClock.now + patience) {
                brought = cargo
            }
            let isAbandoned = state.update(waking: .none) { state in
                state.traffic[key]?.underWay = flight
                state.traffic[key]?.waiting = nil
                state.traffic[key]?.departed = MonotonicClock.now
                return flight.isAbandoned
            }
            if isAbandoned { flight.cancellation.cancel() }
            if let brought, isFinal(brought) { return land(flight, key, with: brought) }
            return land(flight, key, with: fly(flight.cancellation))
        case .passenger(let flight, let slowAt):
            return ride(flight, of: key, slowAt: slowAt, whenGone)
        }
    }

    /// One of those aboard has gone. The last one ends the flight; one that waits to depart may still be joined.
    private static func leave(_ flight: Flight, of key: Key, _ state: Monitor<State>) {
        let isOver = state.update(waking: .none) { state in
            flight.aboard.subtract(1, ordering: .relaxed)
            return flight.isAbandoned && state.traffic[key]?.waiting !== flight
        }
        if isOver { flight.cancellation.cancel() }
    }

    /// Whether a passenger has got off.
    private final class Seat: Sendable {
        let isLeft = Atomic(false)

        /// Once, whoever comes first: the client that goes, or the gateway that lets it wait no longer.
        func leave(_ flight: Flight, of key: Key, _ state: Monitor<State>) {
            if !isLeft.exchange(true, ordering: .sequentiallyConsistent) {
                SharedFlights.leave(flight, of: key, state)
            }
        }
    }

    /// Every flight lands: a call has a deadline.
    private func ride(
        _ flight: Flight, of key: Key, slowAt: Int64, _ whenGone: Farewell?
    ) -> Cargo? {
        let seat = Seat()
        whenGone?({ [state] in
            seat.leave(flight, of: key, state)
            flight.cargo.ask()
        })
        let hasLeft = { seat.isLeft.load(ordering: .sequentiallyConsistent) }
        switch flight.cargo.wait(until: slowAt, orGiveUp: hasLeft) {
        case .value(let cargo): return cargo
        case .givenUp: return nil
        case .late: break
        }
        let mayWait = state.update(waking: .none) { state in
            guard state.passengers < passengersMax else { return false }
            state.passengers += 1
            return true
        }
        guard mayWait else {
            seat.leave(flight, of: key, state)
            return nil
        }
        defer { state.update(waking: .none) { $0.passengers -= 1 } }
        guard case .value(let cargo) = flight.cargo.wait(orGiveUp: hasLeft) else { return nil }
        return cargo
    }

    private static func board(_ traffic: inout Traffic) -> Role {
        let slowAt = traffic.departed + slowAfter.wholeNanoseconds
        if let waiting = traffic.waiting {
            waiting.aboard.add(1, ordering: .relaxed)
            return .passenger(waiting, slowAt: slowAt)
        }
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
        flight.cargo.keep(cargo)
        return cargo
    }
}
