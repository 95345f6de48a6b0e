import Glibc
import Logging
import Synchronization
import TestSupport
import Testing
import Threads

@testable import gateway

/// A watch over a daemon that these tests say is well or not.
@Suite struct DaemonWatchTests {
    private final class Daemon: Sendable {
        let isWell = Atomic(false)
        let told = Monitor<[Bool]>([])
    }

    private static func withWatch(
        waitingMax: Int = 4, _ body: (DaemonWatch, Daemon) throws -> Void
    ) throws {
        let daemon = Daemon()
        var log = Logger(label: "watch")
        log.logLevel = .critical
        let watch = DaemonWatch(name: "mserv1", waitingMax: waitingMax, log: log) {
            daemon.isWell.load(ordering: .relaxed)
        }
        try watch.start(
            telling: .init(
                tell: { well in daemon.told.update(waking: .all) { $0.append(well) } },
                hasWork: { false }))
        defer { watch.stop() }
        try body(watch, daemon)
    }

    private static func end(_ milliseconds: Int64) -> Int64 {
        MonotonicClock.now + milliseconds * 1_000_000
    }

    @Test func `who waits is let go as soon as the daemon is back`() throws {
        try Self.withWatch { watch, daemon in
            #expect(watch.awaitReturn(until: Self.end(50)) == .over)
            let isBack = Monitor<DaemonWatch.Wait?>(nil)
            let waiter = try WorkerThread(name: "waiter") {
                let back = watch.awaitReturn(until: Self.end(20_000))
                isBack.update(waking: .all) { $0 = back }
            }
            defer { waiter.join() }
            while watch.waiting == 0 { sched_yield() }
            daemon.isWell.store(true, ordering: .relaxed)
            #expect(isBack.wait(until: Self.end(10_000)) { $0 } == .back)
            #expect(watch.waiting == 0)
            #expect(watch.isWell)
        }
    }

    @Test func `a daemon that was well before it was missed is asked again`() throws {
        try Self.withWatch { watch, daemon in
            daemon.isWell.store(true, ordering: .relaxed)
            #expect(watch.awaitReturn(until: Self.end(10_000)) == .back)
            daemon.isWell.store(false, ordering: .relaxed)
            watch.miss()
            #expect(watch.awaitReturn(until: Self.end(100)) == .over)
            #expect(
                daemon.told.wait(until: Self.end(10_000)) { $0.last == false ? true : nil } == true)
        }
    }

    @Test func `more than may wait are sent away at once`() throws {
        try Self.withWatch(waitingMax: 2) { watch, _ in
            let waiters = try (0..<2).map { _ in
                try WorkerThread(name: "waiter") {
                    _ = watch.awaitReturn(until: Self.end(20_000))
                }
            }
            while watch.waiting < 2 { sched_yield() }
            #expect(watch.awaitReturn(until: Self.end(20_000)) == .refused)
            watch.stop()
            for waiter in waiters { waiter.join() }
        }
    }

    @Test func `a watch that stops lets all go`() throws {
        try Self.withWatch { watch, _ in
            let waiter = try WorkerThread(name: "waiter") {
                _ = watch.awaitReturn(until: Self.end(20_000))
            }
            while watch.waiting == 0 { sched_yield() }
            watch.stop()
            waiter.join()
            #expect(watch.awaitReturn(until: Self.end(20_000)) != .back)
        }
    }
}
