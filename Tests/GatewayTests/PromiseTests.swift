import Synchronization
import TestSupport
import Testing
import Threads

@Suite struct PromiseTests {
    @Test func `all who wait get the value, and those who come later`() {
        for round in 0..<200 {
            let promise = Promise<Int>()
            let right = Atomic(0)
            let take: @Sendable () -> Void = {
                guard case .value(round) = promise.wait() else { return }
                right.add(1, ordering: .relaxed)
            }
            let keep: @Sendable () -> Void = { promise.keep(round) }
            concurrently((0..<8).map { $0 == 4 ? keep : take })
            take()
            #expect(right.load(ordering: .relaxed) == 8)
        }
    }

    @Test func `who is asked may give up, and nobody else does`() {
        for _ in 0..<200 {
            let promise = Promise<Int>()
            let isOver = Atomic(false)
            let givenUp = Atomic(0)
            let patient = Atomic(0)
            concurrently([
                {
                    let outcome = promise.wait { isOver.load(ordering: .sequentiallyConsistent) }
                    if case .givenUp = outcome { givenUp.add(1, ordering: .relaxed) }
                    promise.keep(1)
                },
                { if case .value = promise.wait() { patient.add(1, ordering: .relaxed) } },
                {
                    isOver.store(true, ordering: .sequentiallyConsistent)
                    promise.ask()
                },
            ])
            #expect(givenUp.load(ordering: .relaxed) == 1)
            #expect(patient.load(ordering: .relaxed) == 1)
        }
    }

    @Test func `waiting ends when its time is over, with the value if it came just then`() {
        let promise = Promise<Int>()
        let end = MonotonicClock.now + 5_000_000
        guard case .late = promise.wait(until: end) else {
            Issue.record("nobody has kept it")
            return
        }
        #expect(MonotonicClock.now >= end)
        promise.keep(7)
        guard case .value(7) = promise.wait(until: end) else {
            Issue.record("it is kept")
            return
        }
    }
}
