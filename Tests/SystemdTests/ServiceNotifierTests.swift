import Glibc
import Logging
import Synchronization
import TestSupport
import Testing
import Threads

@testable import Systemd

@Suite struct ServiceNotifierTests {
    @Test(arguments: ["/notify", "@pasarela-test-"])
    func `each word reaches the supervisor as its own message`(kind: String) throws {
        let folder = try TemporaryFolder()
        let address =
            kind.hasPrefix("@") ? "\(kind)\(UInt64.random(in: 0...UInt64.max))" : folder.path + kind
        let supervisor = try Supervisor(address)
        let notifier = ServiceNotifier(address: address)
        notifier.ready("serves")
        #expect(supervisor.next() == "READY=1\nSTATUS=serves")
        notifier.status("3 tickets wait")
        #expect(supervisor.next() == "STATUS=3 tickets wait")
        notifier.alive()
        #expect(supervisor.next() == "WATCHDOG=1")
        notifier.stopping("stops")
        #expect(supervisor.next() == "STOPPING=1\nSTATUS=stops")
    }

    @Test func `a reload is told with the time of CLOCK_MONOTONIC in microseconds`() throws {
        let folder = try TemporaryFolder()
        let supervisor = try Supervisor(folder.path + "/notify")
        let notifier = ServiceNotifier(address: folder.path + "/notify")
        let before = MonotonicClock.now / 1_000
        notifier.reloading()
        let after = MonotonicClock.now / 1_000
        let lines = supervisor.next().split(separator: "\n")
        try #require(lines.count == 3 && lines[0] == "RELOADING=1")
        let time = try #require(Int64(lines[1].dropFirst("MONOTONIC_USEC=".count)))
        #expect((before...after).contains(time))
    }

    @Test func `a newline in a status begins no message of its own`() throws {
        let folder = try TemporaryFolder()
        let supervisor = try Supervisor(folder.path + "/notify")
        ServiceNotifier(address: folder.path + "/notify").status("a\nMAINPID=1")
        #expect(supervisor.next() == "STATUS=a\\x0aMAINPID=1")
    }

    @Test(arguments: [
        nil, "", "relative", "/does/not/exist", "@pasarela-nobody", "vsock:2:1",
        "/" + String(repeating: "x", count: 200),
    ])
    func `without a supervisor nothing is said, and nothing fails`(address: String?) {
        let notifier = ServiceNotifier(address: address)
        notifier.ready("serves")
        notifier.alive()
    }

    @Test func `a supervisor that does not read holds nobody up for ever`() throws {
        let folder = try TemporaryFolder()
        let supervisor = try Supervisor(folder.path + "/notify")
        let notifier = ServiceNotifier(address: folder.path + "/notify")
        // Past the queue of a datagram socket (net.unix.max_dgram_qlen).
        for _ in 0..<5_000 { notifier.alive() }
        #expect(supervisor.hasMessage)
    }

    @Test func `the watchdog's interval is this process's alone`() {
        let own = String(getpid())
        func interval(_ pid: String?, _ time: String?) -> Duration? {
            ServiceNotifier.watchdogInterval(pid: pid, microseconds: time)
        }
        #expect(interval(own, "10000000") == .seconds(10))
        #expect(interval(nil, "1500000") == .milliseconds(1_500))
        #expect(interval("1", "10000000") == nil)
        #expect(interval("x", "10000000") == nil)
        #expect(interval(own, nil) == nil)
        #expect(interval(own, "0") == nil)
        #expect(interval(own, "soon") == nil)
    }
}

@Suite struct WatchdogTests {
    @Test func `a service that hangs is not alive, and the log says so when it begins`() throws {
        let folder = try TemporaryFolder()
        let supervisor = try Supervisor(folder.path + "/notify")
        let lines = Mutex<[String]>([])
        let log = Logger(label: "test") { _ in
            CollectingHandler { line in lines.withLock { $0.append(line) } }
        }
        let asked = Monitor(0)
        let watchdog = Watchdog(
            ServiceNotifier(address: folder.path + "/notify"), interval: .milliseconds(40), log: log
        ) {
            asked.update(waking: .all) { asked in
                asked += 1
                switch asked {
                case 1, 2: return .alive
                case 4: return .unreachable
                default: return .hung
                }
            }
        }
        try watchdog.start()
        #expect(supervisor.next() == "WATCHDOG=1")
        #expect(supervisor.next() == "WATCHDOG=1")
        let enough: Bool? = asked.wait { $0 >= 6 ? true : nil }
        #expect(enough == true)
        watchdog.stop()
        #expect(!supervisor.hasMessage)
        #expect(lines.withLock { $0 } == ["hung", "hung"])
    }
}

/// Hands on the `EVENT_NAME` of each line.
private struct CollectingHandler: LogHandler {
    let take: @Sendable (String) -> Void
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    init(_ take: @escaping @Sendable (String) -> Void) {
        self.take = take
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        take(event.metadata?["EVENT_NAME"]?.description ?? "")
    }
}
