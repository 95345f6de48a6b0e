import Foundation
import Logging
import RabbitMQ
import Synchronization
import TestSupport
import Testing
import Threads

@testable import Backlog

/// A clock that a test sets: milliseconds since 1970.
final class SetClock: Sendable {
    private let time = Atomic<Int64>(1_800_000_000_000)

    var now: Int64 { time.load(ordering: .sequentiallyConsistent) }

    func advance(_ milliseconds: Int64) {
        time.add(milliseconds, ordering: .sequentiallyConsistent)
    }
}

/// A daemon that does what the test says, and remembers what it was asked.
final class FakeDaemon: Sendable {
    private struct State: Sendable {
        var asked: [[UInt8]] = []
        var atOnce = 0
        var mostAtOnce = 0
        var answer: @Sendable ([UInt8], Int) -> Attempt
    }

    private let state: Monitor<State>

    /// - Parameter answer: of a request and how many were asked before it.
    init(_ answer: @escaping @Sendable ([UInt8], Int) -> Attempt = { request, _ in echo(request) })
    {
        state = Monitor(State(answer: answer))
    }

    static func echo(_ request: [UInt8]) -> Attempt { .answered(Array(request.reversed())) }

    func process(_ request: [UInt8]) -> Attempt {
        let (answer, before) = state.update(waking: .all) { state in
            state.asked.append(request)
            state.atOnce += 1
            state.mostAtOnce = max(state.mostAtOnce, state.atOnce)
            return (state.answer, state.asked.count - 1)
        }
        defer { state.update(waking: .all) { $0.atOnce -= 1 } }
        return answer(request, before)
    }

    func answers(_ answer: @escaping @Sendable ([UInt8], Int) -> Attempt) {
        state.update(waking: .all) { $0.answer = answer }
    }

    var asked: [[UInt8]] { state.update(waking: .none) { $0.asked } }
    var mostAtOnce: Int { state.update(waking: .none) { $0.mostAtOnce } }

    /// Waits until it has been asked so often.
    func waitUntilAsked(_ count: Int) -> Bool {
        state.wait(until: MonotonicClock.now + 20_000_000_000) {
            $0.asked.count >= count ? true : nil
        } ?? false
    }
}

/// A daemon's `echo`, free of its class so that it can be a default.
func echo(_ request: [UInt8]) -> Attempt { FakeDaemon.echo(request) }

/// A courier that does nothing by itself: the test speaks with the post in its place.
final class HeldCourier: TicketCourier {
    private let held = Mutex<(any CourierPost)?>(nil)

    var post: any CourierPost {
        guard let post = held.withLock({ $0 }) else { preconditionFailure("no backlog has it") }
        return post
    }

    fileprivate func take(_ post: any CourierPost) -> HeldCourier {
        held.withLock { $0 = post }
        return self
    }

    func start() throws(BacklogError) {}
    func stop() {}
    func tell(_ service: String, isWell: Bool) {}
}

/// What became of offers, in the order in which it was known.
final class Outcomes: Sendable {
    private let kept = Monitor<[OfferOutcome]>([])

    var done: @Sendable (OfferOutcome) -> Void {
        { outcome in self.kept.update(waking: .all) { $0.append(outcome) } }
    }

    var all: [OfferOutcome] { kept.update(waking: .none) { $0 } }

    /// Waits for so many.
    func wait(_ count: Int = 1) -> [OfferOutcome] {
        kept.wait(until: MonotonicClock.now + 20_000_000_000) { $0.count >= count ? $0 : nil } ?? []
    }
}

/// A log that keeps its lines.
final class KeptLog: Sendable {
    private let kept = Mutex<[String]>([])

    var lines: [String] { kept.withLock { $0 } }

    var logger: Logger {
        Logger(label: "test") { _ in Handler(log: self) }
    }

    fileprivate func add(_ line: String) { kept.withLock { $0.append(line) } }

    private struct Handler: LogHandler {
        let log: KeptLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let fields = (event.metadata ?? [:]).map { "\($0)=\($1)" }.sorted()
            log.add("\(event.level) \(event.message) \(fields.joined(separator: " "))")
        }
    }
}

/// A backlog in a folder of its own, without a broker unless a test brings a courier.
final class TestBacklog: Sendable {
    let backlog: Backlog
    let clock: SetClock
    let daemon: FakeDaemon
    let log: KeptLog

    /// - Parameter courier: makes it a gateway of a tree; nil: SQLite alone.
    init(
        in folder: String, clock: SetClock = SetClock(), daemon: FakeDaemon = FakeDaemon(),
        courier: HeldCourier? = nil, lockPatience: Double = 0.2, isStarted: Bool = true,
        _ change: (inout BacklogConfiguration) -> Void = { _ in }
    ) throws {
        self.clock = clock
        self.daemon = daemon
        log = KeptLog()
        var configuration = BacklogConfiguration(folder: folder, services: ["mserv1", "mserv2"])
        if courier != nil {
            configuration.broker = BrokerSetup(
                configuration: try BrokerConfiguration(url: "amqp://127.0.0.1"), tree: "test",
                mac: { _ in [] })
        }
        change(&configuration)
        var make: Backlog.MakeCourier?
        if let courier { make = { _, _, post, _ in courier.take(post) } }
        backlog = try Backlog(
            configuration, log: log.logger, now: { clock.now }, lockPatience: lockPatience,
            makeCourier: make
        ) { _, request, _ in daemon.process(request) }
        if isStarted { try backlog.start() }
    }

    deinit { backlog.stop() }

    func accept(_ text: String, service: String = "mserv1") throws -> TicketID {
        try backlog.accept(service: service, request: Array(text.utf8)).id
    }

    /// Waits until a ticket has another state than waiting.
    func ended(_ id: TicketID) throws -> TicketState? {
        try backlog.ticket(id, changedFrom: .waiting, within: .seconds(20))?.state
    }
}

extension Backlog {
    /// Where the answer's size does not matter.
    func accept(service: String, request: [UInt8]) throws(BacklogError) -> Ticket {
        try accept(service: service, request: request, answerBytes: 0)
    }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Waits for something that another thread does and that gives no event: asks again, up to 20 s.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    let pause = Monitor(0)
    let end = MonotonicClock.now + 20_000_000_000
    while MonotonicClock.now < end {
        if try condition() { return true }
        _ = pause.wait(until: MonotonicClock.now + 2_000_000) { _ in Bool?.none }
    }
    return false
}
