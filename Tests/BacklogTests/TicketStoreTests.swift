import Foundation
import GRDB
import Synchronization
import TestSupport
import Testing
import Threads

@testable import Backlog

/// The file and its one thread.
@Suite struct TicketStoreTests {
    private let folder = try? TemporaryFolder()
    private var path: String { folder?.path ?? "/nowhere" }
    private var file: String { path + "/backlog.sqlite" }

    private func refusal(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return (error as? BacklogError)?.message
        }
    }

    /// How a database stands, as it was told.
    private final class Told: Sendable {
        private let all = Mutex<[StoreState]>([])
        var states: [StoreState] { all.withLock { $0 } }
        func add(_ state: StoreState) { all.withLock { $0.append(state) } }
    }

    private func startedStore(telling told: Told) throws -> TicketStore {
        let store = try TicketStore(
            folder: path, limits: TicketLimits(), now: { 1 }, told: { told.add($0) }
        ) { _, _ in }
        try store.start()
        return store
    }

    /// Accepts a ticket, in a transaction that fails where a code is given.
    private func accept(
        on store: TicketStore, failingWith code: ResultCode? = nil
    ) throws(BacklogError) {
        let id = TicketID()
        try store.change { ledger throws(StoreFault) in
            try ledger.apply(
                .accept(id, service: "mserv1", request: [1], answerBytes: 0), to: id, now: 1)
            if let code { throw StoreFault(code, "as if") }
        }
    }

    @Test func `the settings that make a commit durable are read back`() throws {
        let queue = try TicketDatabase.open(file)
        try queue.writeWithoutTransaction { (database: Database) throws in
            #expect(try Int.fetchOne(database, sql: "PRAGMA synchronous") == 2)
            #expect(try String.fetchOne(database, sql: "PRAGMA journal_mode") == "wal")
            #expect(try String.fetchOne(database, sql: "PRAGMA locking_mode") == "exclusive")
            #expect(try Int.fetchOne(database, sql: "PRAGMA auto_vacuum") == 2)
        }
        // No second process can join.
        #expect(!FileManager.default.fileExists(atPath: file + "-shm"))
        for name in [file, file + "-wal"] {
            let mode = try FileManager.default.attributesOfItem(atPath: name)[.posixPermissions]
            #expect(mode as? Int == 0o600)
        }
        try queue.close()
    }

    @Test func `they are so again when the file is opened again`() throws {
        try TicketDatabase.open(file).close()
        let queue = try TicketDatabase.open(file)
        try queue.writeWithoutTransaction { (database: Database) throws in
            #expect(try Int.fetchOne(database, sql: "PRAGMA synchronous") == 2)
            #expect(try String.fetchOne(database, sql: "PRAGMA locking_mode") == "exclusive")
        }
        #expect(!FileManager.default.fileExists(atPath: file + "-shm"))
        try queue.close()
    }

    @Test func `a second backlog on the same folder is refused`() throws {
        let first = try TestBacklog(in: path)
        let said = refusal { _ = try TestBacklog(in: path) }
        #expect(said == "\(file) is in use: does another gateway run on this state folder?")
        first.backlog.stop()
        _ = try TestBacklog(in: path)
    }

    @Test func `a predecessor that is just ending is waited for`() throws {
        let first = try TestBacklog(in: path)
        let backlog = first.backlog
        let path = path
        concurrently([
            { #expect(throws: Never.self) { _ = try TestBacklog(in: path, lockPatience: 20) } },
            { backlog.stop() },
        ])
    }

    @Test func `a file of a newer version is refused and left as it is`() throws {
        _ = try TestBacklog(in: path)
        let queue = try DatabaseQueue(path: file)
        try queue.write { try $0.execute(sql: "PRAGMA user_version = 2") }
        try queue.close()
        let said = refusal { _ = try TestBacklog(in: path) }
        #expect(said == "\(file): made by a newer version of this program (2 > 1)")
        #expect(FileManager.default.fileExists(atPath: file))
    }

    @Test func `another program's database is refused`() throws {
        let queue = try DatabaseQueue(path: file)
        try queue.write { try $0.execute(sql: "CREATE TABLE t (x)") }
        try queue.close()
        let said = refusal { _ = try TestBacklog(in: path) }
        #expect(said == "\(file): this is a database of another program")
    }

    @Test(arguments: ["garbage", "truncated", "scribbled"])
    func `a damaged file is refused in one line and left as it is`(damage: String) throws {
        do {
            let test = try TestBacklog(in: path)
            for number in 0..<200 {
                _ = try test.backlog.accept(
                    service: "mserv1", request: [UInt8](repeating: UInt8(number), count: 2_000))
            }
        }
        var content = try Data(contentsOf: URL(fileURLWithPath: file))
        #expect(content.count > 400_000)
        switch damage {
        case "garbage": content = Data(repeating: 0x61, count: 50_000)
        case "truncated": content = content.prefix(content.count / 2)
        default: content.replaceSubrange(8_192..<200_000, with: Data(count: 191_808))
        }
        try content.write(to: URL(fileURLWithPath: file))
        let said = try #require(refusal { _ = try TestBacklog(in: path) })
        #expect(said.hasPrefix(file) && said.hasSuffix("move it away to start anew"))
        #expect(!said.contains("\n"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == content)
    }

    @Test func `a folder that is not there is refused`() {
        let said = refusal { _ = try TestBacklog(in: path + "/nothing") }
        #expect(said == "\(path)/nothing/backlog.sqlite: No such file or directory")
    }

    @Test func `requests at the same time share commits`() throws {
        let commits = Atomic<Int>(0)
        let store = try TicketStore(
            folder: path, limits: TicketLimits(), now: { 1 }
        ) { _, _ in
            commits.add(1, ordering: .relaxed)
            // A slow disk.
            usleep(5_000)
        }
        try store.start()
        let callers = 64
        let each = 8
        concurrently(
            Array(
                repeating: {
                    for _ in 0..<each {
                        let id = TicketID()
                        #expect(throws: Never.self) {
                            try store.change { ledger throws(StoreFault) in
                                _ = try ledger.apply(
                                    .accept(id, service: "mserv1", request: [1], answerBytes: 0),
                                    to: id, now: 1)
                            }
                        }
                    }
                }, count: callers))
        let found = try store.read { $0.totals.ownWaiting }
        store.stop()
        #expect(found == callers * each)
        // One commit for all that came while another was under way: a few rounds, not 512.
        print("\(callers * each) tickets took \(commits.load(ordering: .relaxed)) commits")
        #expect(commits.load(ordering: .relaxed) < callers * each / 10)
    }

    @Test func `one change that fails costs the others nothing`() throws {
        let isHeld = Monitor(true)
        let store = try TicketStore(
            folder: path, limits: TicketLimits(), now: { 1 }
        ) { _, _ in
            // The first commit waits until the other jobs are there.
            _ = isHeld.wait(until: MonotonicClock.now + 10_000_000_000) { $0 ? nil : true }
        }
        try store.start()
        let good = Mutex(0)
        let bad = Mutex(0)
        let handIn: @Sendable (Bool) throws -> Void = { isGood in
            let id = TicketID()
            try store.submit(
                TicketStore.Job(
                    isChange: true,
                    run: { ledger throws(StoreFault) in
                        try ledger.apply(
                            .accept(id, service: "mserv1", request: [1], answerBytes: 0), to: id,
                            now: 1)
                        if !isGood { throw StoreFault(.SQLITE_FULL, "as if") }
                    },
                    finish: { _, error in
                        if error == nil {
                            good.withLock { $0 += 1 }
                        } else {
                            bad.withLock { $0 += 1 }
                        }
                    }))
        }
        try handIn(true)
        for number in 0..<20 { try handIn(number % 5 != 0) }
        isHeld.update(waking: .all) { $0 = false }
        let found = try store.read { $0.totals.ownWaiting }
        store.stop()
        #expect(good.withLock { $0 } == 17 && bad.withLock { $0 } == 4)
        #expect(found == 17)
    }

    @Test func `after a failing disk the file is opened again, and nothing is missing`() throws {
        let failures = Atomic<Int>(0)
        let store = try TicketStore(
            folder: path, limits: TicketLimits(), now: { 1 },
            told: { state in
                if state != .open { failures.add(1, ordering: .relaxed) }
            }
        ) { _, _ in }
        try store.start()
        try accept(on: store)
        #expect { try accept(on: store, failingWith: .SQLITE_IOERR_READ) } throws: {
            ($0 as? BacklogError)?.code == .broken
        }
        #expect { try accept(on: store, failingWith: .SQLITE_IOERR_WRITE) } throws: {
            ($0 as? BacklogError) != nil
        }
        #expect(eventually { (try? accept(on: store)) != nil })
        #expect(try store.read { $0.totals.ownWaiting } == 2)
        #expect(failures.load(ordering: .relaxed) >= 1)
        store.stop()
    }

    @Test func `nothing is promised while the file is taken away, and it is back when the file is`()
        throws
    {
        let told = Told()
        let store = try startedStore(telling: told)
        try accept(on: store)
        try #require(rename(file, file + ".away") == 0)
        for other in [false, true] {
            if other { try Data().write(to: URL(filePath: file)) }
            #expect { try accept(on: store) } throws: { ($0 as? BacklogError)?.code == .broken }
        }
        // What there is can be read.
        #expect(try store.read { $0.totals.ownWaiting } == 1)
        try #require(rename(file + ".away", file) == 0)
        try accept(on: store)
        #expect(try store.read { $0.totals.ownWaiting } == 2)
        store.stop()
        #expect(told.states.count == 1)
        let again = try TicketStore(folder: path, limits: TicketLimits(), now: { 1 }) { _, _ in }
        #expect(again.totalsAtStart.ownWaiting == 2)
        again.stop()
    }

    @Test func `too many callers at once are refused, none is lost`() throws {
        let isHeld = Monitor(true)
        let store = try TicketStore(
            folder: path, limits: TicketLimits(), now: { 1 }
        ) { _, _ in
            _ = isHeld.wait(until: MonotonicClock.now + 10_000_000_000) { $0 ? nil : true }
        }
        try store.start()
        let finished = Atomic<Int>(0)
        let job = TicketStore.Job(
            isChange: true, run: { _ throws(StoreFault) in },
            finish: { _, _ in finished.add(1, ordering: .relaxed) })
        var taken = 0
        var refusal: BacklogError?
        for _ in 0..<(TicketStore.jobsMax * 3) {
            do {
                try store.submit(job)
                taken += 1
            } catch {
                refusal = error
                break
            }
        }
        isHeld.update(waking: .all) { $0 = false }
        store.stop()
        #expect(refusal?.code == .full)
        #expect(finished.load(ordering: .relaxed) == taken)
    }

    @Test func `traces and answers go with their time, and the file shrinks`() throws {
        let test = try TestBacklog(in: path) { $0.replayRate = 100_000 }
        test.daemon.answers { _, _ in .answered([UInt8](repeating: 7, count: 20_000)) }
        test.backlog.tell("mserv1", isWell: true)
        let ids = try (0..<50).map { try test.accept("request \($0)") }
        for id in ids { #expect(try test.ended(id) == .answered) }
        let full = test.backlog.figures().storedBytes
        #expect(full > 50 * 20_000)
        test.clock.advance(86_400_000)
        // Known at once, dropped within a second.
        #expect(try test.backlog.ticket(ids[0])?.state == .expired)
        #expect(try test.backlog.answer(ids[0]) == nil)
        #expect(
            eventually { test.backlog.figures().storedBytes == 50 * TicketLimits.rowBytes })
        #expect(test.backlog.figures().expired == 0)
        let late = try test.accept("nobody answers", service: "mserv2")
        test.clock.advance(86_400_000)
        #expect(eventually { test.backlog.figures().expired == 1 })
        #expect(try test.backlog.ticket(late)?.state == .expired)
        #expect(test.log.lines.contains { $0.contains("expired") && $0.contains("\(late)") })
        #expect(try eventually { try test.backlog.ticket(ids[0]) == nil })
        test.backlog.stop()
        let size = try FileManager.default.attributesOfItem(atPath: file)[.size]
        #expect(try #require(size as? Int) < 500_000)
    }

    @Test func `a full backlog refuses, and takes again when there is place`() throws {
        let test = try TestBacklog(in: path) { $0.ticketsMax = 3 }
        let ids = try (0..<3).map { try test.accept("\($0)") }
        #expect { try test.accept("one more") } throws: { error in
            (error as? BacklogError)?.code == .full
                && (error as? BacklogError)?.message == "the backlog is full: 3 tickets wait"
        }
        #expect(test.backlog.figures().refused == 1 && test.backlog.figures().accepted == 3)
        #expect(try test.backlog.delete(ids[1]))
        _ = try test.accept("now")
    }

    @Test func `bytes are bounded, too`() throws {
        let test = try TestBacklog(in: path) { $0.bytesMax = 10_000 }
        let request = [UInt8](repeating: 1, count: 1_000)
        var count = 0
        while (try? test.backlog.accept(service: "mserv1", request: request)) != nil { count += 1 }
        #expect(count == 10_000 / (1_000 + TicketLimits.rowBytes))
        #expect(test.backlog.figures().storedBytes <= 10_000)
    }

    @Test func `several may stop it at once`() throws {
        for _ in 0..<20 {
            let store = try TicketStore(folder: path, limits: TicketLimits(), now: { 1 }) { _, _ in
            }
            try store.start()
            concurrently(Array(repeating: { store.stop() }, count: 4))
            store.stop()
        }
    }

    @Test func `damage that is met when it is read is told once, and stays`() throws {
        let told = Told()
        let store = try startedStore(telling: told)
        for _ in 0..<3 {
            #expect(throws: BacklogError.self) {
                try store.read { _ throws(StoreFault) in
                    throw StoreFault(.SQLITE_CORRUPT, "as if")
                }
            }
            _ = try store.read { $0.totals }
        }
        store.stop()
        #expect(told.states == [.broken("\(file): as if (SQLite 11)")])
    }

    @Test func `how the database stands is told when it changes, not each second`() {
        let told = Mutex<[StoreState]>([])
        let health = StoreHealth { state in told.withLock { $0.append(state) } }
        let full = BacklogError(.full, "full")
        let broken = BacklogError(.broken, "broken")
        let quiet = StoreHealth.quietTime
        health.succeeded(isChange: true, now: 0)
        for _ in 0..<9 {
            health.failed(full, isDamage: false, now: 0)
            // A small thing found a place.
            health.succeeded(isChange: true, now: quiet - 1)
        }
        #expect(health.isFull)
        health.succeeded(isChange: false, now: quiet)
        #expect(health.isFull)
        health.succeeded(isChange: true, now: quiet)
        health.failed(broken, isDamage: false, now: quiet)
        health.succeeded(isChange: false, now: 2 * quiet)
        health.failed(broken, isDamage: true, now: 2 * quiet)
        health.failed(full, isDamage: false, now: 2 * quiet)
        health.succeeded(isChange: true, now: 9 * quiet)
        #expect(
            told.withLock { $0 } == [
                .full("full"), .open, .broken("broken"), .open, .broken("broken"),
            ])
    }
}
