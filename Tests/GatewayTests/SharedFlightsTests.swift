import Glibc
import RPC
import Synchronization
import TestSupport
import Testing
import Threads

@testable import gateway

@Suite struct SharedFlightsTests {
    /// When a flight departed and what it carries.
    private struct Cargo: Sendable {
        let departed: Int64
        let key: Int
        let isFinal: Bool
    }

    private func flights(
        patience: Duration = .seconds(20)
    ) -> SharedFlights<Int, Cargo> {
        SharedFlights(patience: patience) { $0.isFinal }
    }

    @Test func `nobody gets what departed before they came`() {
        let flights = flights()
        let stale = Atomic(0)
        let foreign = Atomic(0)
        let calls = Atomic(0)
        let threads = 16
        let rounds = 2_000
        concurrently(
            (0..<threads).map { thread in
                {
                    for round in 0..<rounds {
                        let key = (round / 64 + thread) % 3
                        let came = MonotonicClock.now
                        let cargo = flights.cargo(for: key) { _ in
                            calls.add(1, ordering: .relaxed)
                            return Cargo(
                                departed: MonotonicClock.now, key: key, isFinal: false)
                        }
                        guard let cargo else {
                            stale.add(1, ordering: .relaxed)
                            continue
                        }
                        if cargo.departed < came { stale.add(1, ordering: .relaxed) }
                        if cargo.key != key { foreign.add(1, ordering: .relaxed) }
                    }
                }
            })
        #expect(stale.load(ordering: .relaxed) == 0)
        #expect(foreign.load(ordering: .relaxed) == 0)
        #expect(calls.load(ordering: .relaxed) <= threads * rounds)
    }

    @Test
    func `of one key one flight is under way and one waits, and all who came are served by it`()
        throws
    {
        let flights = flights()
        let aloft = Atomic(0)
        let most = Atomic(0)
        let calls = Atomic(0)
        let boarded = Monitor(0)
        let passengers = 12
        let fly: @Sendable () -> Cargo = {
            let now = aloft.add(1, ordering: .sequentiallyConsistent).newValue
            most.max(now, ordering: .relaxed)
            let number = calls.add(1, ordering: .relaxed).newValue
            if number == 1 {
                // The first stays aloft until all the others are on their way to the second.
                let all: Bool? = boarded.wait { $0 == passengers ? true : nil }
                #expect(all == true)
            }
            aloft.subtract(1, ordering: .sequentiallyConsistent)
            return Cargo(departed: Int64(number), key: 0, isFinal: false)
        }
        let departures = Monitor<[Int64]>([])
        let first: @Sendable () -> Void = { _ = flights.cargo(for: 0) { _ in fly() } }
        let others = (0..<passengers).map { _ -> @Sendable () -> Void in
            {
                // The first is aloft.
                while calls.load(ordering: .relaxed) == 0 {}
                boarded.update(waking: .all) { $0 += 1 }
                let cargo = flights.cargo(for: 0) { _ in fly() }
                departures.update(waking: .none) { $0.append(cargo?.departed ?? 0) }
            }
        }
        concurrently([first] + others)
        #expect(most.load(ordering: .relaxed) == 1)
        // Who said to be on the way may still have come late: a third flight then, never more than one a latecomer.
        #expect(departures.update(waking: .none) { $0 }.allSatisfy { $0 >= 2 })
        #expect(calls.load(ordering: .relaxed) < 1 + passengers)
    }

    @Test func `a flight does not wait for ever for the one before`() {
        let flights = flights(patience: .milliseconds(20))
        let isLanded = Monitor(false)
        let calls = Atomic(0)
        concurrently([
            {
                _ = flights.cargo(for: 0) { _ in
                    calls.add(1, ordering: .relaxed)
                    let landed: Bool? = isLanded.wait { $0 ? true : nil }
                    #expect(landed == true)
                    return Cargo(departed: 1, key: 0, isFinal: true)
                }
            },
            {
                while calls.load(ordering: .relaxed) == 0 {}
                let cargo = flights.cargo(for: 0) { _ in
                    Cargo(departed: 2, key: 0, isFinal: false)
                }
                #expect(cargo?.departed == 2)
                isLanded.update(waking: .all) { $0 = true }
            },
        ])
    }

    @Test func `of those who wait for a slow flight only so many may go on waiting`() {
        let flights = SharedFlights<Int, Cargo>(patience: .seconds(20), passengersMax: 2) {
            $0.isFinal
        }
        let isLanded = Monitor(false)
        let calls = Atomic(0)
        let refused = Monitor(0)
        let served = Atomic(0)
        let slow: @Sendable () -> Cargo = {
            calls.add(1, ordering: .relaxed)
            let landed: Bool? = isLanded.wait { $0 ? true : nil }
            #expect(landed == true)
            return Cargo(departed: 1, key: 0, isFinal: false)
        }
        let passengers = 8
        let asking = (0..<passengers + 2).map { _ -> @Sendable () -> Void in
            {
                if flights.cargo(for: 0, { _ in slow() }) == nil {
                    refused.update(waking: .all) { $0 += 1 }
                } else {
                    served.add(1, ordering: .relaxed)
                }
            }
        }
        concurrently(
            asking + [
                {
                    let all: Bool? = refused.wait { $0 >= passengers - 2 ? true : nil }
                    #expect(all == true)
                    isLanded.update(waking: .all) { $0 = true }
                }
            ])
        #expect(refused.update(waking: .none) { $0 } == passengers - 2)
        #expect(served.load(ordering: .relaxed) == 4)
    }

    /// Clients that the test sends away.
    private final class Clients: Sendable {
        private let farewells = Mutex<[Int: @Sendable () -> Void]>([:])

        func farewell(_ client: Int) -> SharedFlights<Int, Cargo>.Farewell {
            { action in self.farewells.withLock { $0[client] = action } }
        }

        func send(away client: Int) {
            let action = farewells.withLock { $0[client] }
            action?()
        }

        func areThere(_ count: Int) -> Bool { farewells.withLock { $0.count >= count } }
    }

    @Test func `a flight ends when the last aboard has left, and not before`() throws {
        let flights = flights()
        let clients = Clients()
        let isAloft = Monitor(false)
        let left = Atomic(0)
        let cancelled = Monitor(false)
        // Waits until it is cancelled.
        let fly: @Sendable (RPCCancellation) -> Cargo = { cancellation in
            isAloft.update(waking: .all) { $0 = true }
            while !cancellation.isCancelled { sched_yield() }
            cancelled.update(waking: .all) { $0 = true }
            return Cargo(departed: 0, key: 0, isFinal: false)
        }
        let all: [@Sendable () -> Void] = [
            { @Sendable in _ = flights.cargo(for: 0, whenGone: clients.farewell(0), fly) },
            { @Sendable in
                let up: Bool? = isAloft.wait { $0 ? true : nil }
                #expect(up == true)
                // The next flight: both are aboard of that one, which leaves when the first is cancelled.
                concurrently(
                    [1, 2].map { number in
                        { @Sendable in
                            if flights.cargo(for: 0, whenGone: clients.farewell(number), fly) == nil
                            {
                                left.add(1, ordering: .relaxed)
                            }
                        }
                    } + [
                        { @Sendable in
                            while !clients.areThere(3) { sched_yield() }
                            clients.send(away: 0)
                            let first: Bool? = cancelled.wait { $0 ? true : nil }
                            #expect(first == true)
                            cancelled.update(waking: .none) { $0 = false }
                            clients.send(away: 1)
                            let early: Bool? = cancelled.wait(
                                until: MonotonicClock.now + 50_000_000
                            ) { $0 ? true : nil }
                            #expect(early == nil)
                            clients.send(away: 2)
                        }
                    ])
            },
        ]
        concurrently(all)
        #expect(cancelled.update(waking: .none) { $0 })
        // Of the two one was the pilot, who comes back with what there is.
        #expect(left.load(ordering: .relaxed) <= 1)
    }
}
