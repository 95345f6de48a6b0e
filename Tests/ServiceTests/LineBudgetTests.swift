import Synchronization
import Testing

@testable import Service

@Suite struct LineBudgetTests {
    private let now = Now()

    private final class Now: Sendable {
        let nanoseconds = Atomic<Int64>(0)
        func pass(_ milliseconds: Int64) {
            nanoseconds.wrappingAdd(milliseconds * 1_000_000, ordering: .relaxed)
        }
    }

    @Test func `some lines come at once, then some each second, and those left out are counted`() {
        let budget = LineBudget(atOnce: 3, perSecond: 10) { [now] in
            now.nanoseconds.load(ordering: .relaxed)
        }
        #expect((0..<5).map { _ in budget.line() } == [0, 0, 0, nil, nil])
        now.pass(99)
        #expect(budget.line() == nil)
        now.pass(1)
        #expect(budget.line() == 3)
        #expect(budget.line() == nil)
        // What is not used adds up to what may come at once, no further.
        now.pass(60_000)
        #expect((0..<4).map { _ in budget.line() } == [1, 0, 0, nil])
    }

    @Test(arguments: [1, 7, 1_000])
    func `however the time passes, no more lines come than may`(perSecond: Int) {
        var random = SystemRandomNumberGenerator()
        let budget = LineBudget(atOnce: 5, perSecond: perSecond) { [now] in
            now.nanoseconds.load(ordering: .relaxed)
        }
        var written = 0
        var omitted = 0
        var milliseconds: Int64 = 0
        for _ in 0..<10_000 {
            if let before = budget.line() {
                written += 1
                omitted += before
            }
            let step = Int64.random(in: 0...3, using: &random)
            milliseconds += step
            now.pass(step)
        }
        #expect(written <= 5 + Int(milliseconds) * perSecond / 1_000 + 1)
        #expect(written + omitted <= 10_000)
    }
}
