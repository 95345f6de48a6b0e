internal import CRabbitMQ
internal import Glibc

/// A connection to one host of the broker, with one channel. For one thread at a time; only its interrupter is for others.
///
/// Every call has a deadline that also a stalled broker keeps. Once a call has thrown anything, or has left messages
/// `unconfirmed`, the connection is of no more use: later calls throw the same, and letting go of it is all there is to
/// do. Heartbeats are sent within the calls only: whoever has nothing to do waits in `next`.
///
/// While it is open the host is looked at every `heartbeatSeconds`; one silent for twice as long is given up.
public final class BrokerConnection {
    /// Where it leads.
    public let host: BrokerConfiguration.Host
    /// Why the broker takes no messages at the moment (memory, disk), in its words; nil: it does.
    public private(set) var blockedReason: String?

    let library: LibraryConnection
    private let interrupter: BrokerInterrupter
    private let callTime: Duration
    private let heartbeatSeconds: Int
    private var frames = FrameReader()
    private var failure: RabbitMQError?
    /// Deliveries and cancellations that came while something else was waited for; the prefetch bounds them.
    private var arrived: [ConsumerEvent] = []
    var publisherState = PublisherState()

    static let channel: amqp_channel_t = 1
    /// What is asked for; the broker may want less.
    private static let frameBytesMax: CInt = 131_072

    /// Connects and logs in.
    ///
    /// - Parameters:
    ///   - name: shown by the broker's own tools.
    ///   - interrupter: ends this and all calls of the connection.
    /// - Throws: within `configuration.connectTime`, but that the system's name service may take longer.
    public init(
        _ configuration: BrokerConfiguration, host: BrokerConfiguration.Host, name: String,
        interrupter: BrokerInterrupter
    ) throws(RabbitMQError) {
        let deadline = MonotonicDeadline(after: configuration.connectTime)
        guard !interrupter.isInterrupted else { throw Self.interruption }
        self.host = host
        self.interrupter = interrupter
        callTime = configuration.callTime
        heartbeatSeconds = min(max(configuration.heartbeatSeconds, 1), 600)
        library = try LibraryConnection(interrupter)
        try library.open(configuration, host, deadline)
        do throws(RabbitMQError) {
            try logIn(configuration, name, deadline)
        } catch {
            throw interrupter.isInterrupted ? Self.interruption : error
        }
        library.limitWrites(milliseconds: heartbeatSeconds * 1_000)
    }

    private func logIn(
        _ configuration: BrokerConfiguration, _ name: String, _ deadline: MonotonicDeadline
    ) throws(RabbitMQError) {
        let memory = LibraryMemory()
        let capabilities = memory.table([
            ("basic.nack", crabbitmq_truth(1)),
            ("connection.blocked", crabbitmq_truth(1)),
            ("consumer_cancel_notify", crabbitmq_truth(1)),
            ("publisher_confirms", crabbitmq_truth(1)),
        ])
        var properties = memory.table([
            ("capabilities", crabbitmq_table(capabilities)),
            ("connection_name", crabbitmq_text(memory.bytes(name))),
        ])
        var time = deadline.interval
        library.limitWrites(milliseconds: deadline.milliseconds)
        amqp_set_handshake_timeout(library.state, &time)
        let reply = withExtendedLifetime(memory) {
            crabbitmq_login(
                library.state, configuration.virtualHost, Self.frameBytesMax,
                CInt(heartbeatSeconds), &properties, configuration.user, configuration.password)
        }
        if let error = RabbitMQError(reply: reply, doing: "no login at \(host)") { throw error }
        time = deadline.interval
        amqp_set_rpc_timeout(library.state, &time)
        amqp_channel_open(library.state, Self.channel)
        let opened = amqp_get_rpc_reply(library.state)
        if let error = RabbitMQError(reply: opened, doing: "no channel at \(host)") { throw error }
        amqp_maybe_release_buffers(library.state)
    }

    private static let interruption = RabbitMQError(.interrupted, "the connection is being ended")

    /// Throws what the connection failed with before.
    func requireUse() throws(RabbitMQError) {
        if let failure { throw failure }
    }

    /// Remembers a failure and gives what to throw.
    func failed(_ error: RabbitMQError) -> RabbitMQError {
        let told = interrupter.isInterrupted ? Self.interruption : error
        failure = failure ?? told
        return told
    }

    /// Says better what the connection failed with: its deadline.
    func timedOut(_ message: String) {
        guard !interrupter.isInterrupted else { return }
        failure = RabbitMQError(.timedOut, message)
    }

    /// Why the connection is of no more use, once it is; for the operator.
    public var lastError: RabbitMQError? { failure }

    /// Runs a call that waits for the broker's answer, at most `callTime`.
    ///
    /// - Parameter body: returns what librabbitmq returns; its pointers live until the end of `read`.
    func call<Reply, Result>(
        _ what: @autoclosure () -> String, _ body: (LibraryMemory) -> UnsafeMutablePointer<Reply>?,
        read: (Reply) -> Result
    ) throws(RabbitMQError) -> Result {
        try requireUse()
        let deadline = MonotonicDeadline(after: callTime)
        var time = deadline.interval
        library.limitWrites(milliseconds: deadline.milliseconds)
        amqp_set_rpc_timeout(library.state, &time)
        let memory = LibraryMemory()
        let reply = withExtendedLifetime(memory) { body(memory) }
        let outcome = amqp_get_rpc_reply(library.state)
        if let error = RabbitMQError(reply: outcome, doing: what()) { throw failed(error) }
        guard let reply else {
            throw failed(RabbitMQError(.unexpected, "\(what()): no answer"))
        }
        let result = read(reply.pointee)
        amqp_maybe_release_buffers(library.state)
        return result
    }

    /// Runs a call that only writes.
    func send(_ what: @autoclosure () -> String, _ body: () -> CInt) throws(RabbitMQError) {
        try requireUse()
        library.limitWrites(milliseconds: MonotonicDeadline(after: callTime).milliseconds)
        let status = body()
        guard status == AMQP_STATUS_OK.rawValue else {
            throw failed(RabbitMQError(status: status, doing: what()))
        }
    }

    /// The next word of the broker's that is neither delivery nor cancellation: those are kept for `next`.
    ///
    /// - Returns: nil when the deadline has passed.
    func nextAnswer(_ deadline: MonotonicDeadline) throws(RabbitMQError) -> BrokerWord? {
        while true {
            switch try nextWord(deadline, wake: nil, stopsForKept: false) {
            case .word(let word): return word
            case .kept, .woken: continue
            case .deadline: return nil
            }
        }
    }

    /// Waits for a message.
    ///
    /// - Parameters:
    ///   - time: at most so long; `.zero` asks for what is there.
    ///   - wake: ends the wait when signalled, before any message is looked at.
    public func next(
        within time: Duration, wake: WakeUp? = nil
    ) throws(RabbitMQError) -> ConsumerEvent {
        let deadline = MonotonicDeadline(after: time)
        try requireUse()
        if let wake, try library.waitToRead(wake: wake, milliseconds: 0) { return .woken }
        while true {
            if !arrived.isEmpty { return arrived.removeFirst() }
            switch try nextWord(deadline, wake: wake, stopsForKept: true) {
            case .word, .kept: continue
            case .woken: return .woken
            case .deadline: return .deadline
            }
        }
    }

    private enum Waited {
        case word(BrokerWord)
        /// It is in `arrived`, or was about the connection itself.
        case kept
        case woken
        case deadline
    }

    private func nextWord(
        _ deadline: MonotonicDeadline, wake: WakeUp?, stopsForKept: Bool
    ) throws(RabbitMQError) -> Waited {
        try requireUse()
        while true {
            // First what the library has read already: the socket does not show that.
            var frame = amqp_frame_t()
            var atOnce = timeval(tv_sec: 0, tv_usec: 0)
            let status = amqp_simple_wait_frame_noblock(library.state, &frame, &atOnce)
            if status == AMQP_STATUS_OK.rawValue {
                guard let word = try take(frame) else { continue }
                if let word = keep(word) { return .word(word) }
                if stopsForKept { return .kept }
                continue
            }
            guard status == AMQP_STATUS_TIMEOUT.rawValue else {
                throw failed(RabbitMQError(status: status, doing: "the connection to \(host)"))
            }
            guard !deadline.isPast else { return .deadline }
            // The library looks after heartbeats when it is called.
            let slice = min(deadline.milliseconds, heartbeatSeconds * 250)
            do throws(RabbitMQError) {
                if try library.waitToRead(wake: wake, milliseconds: slice) { return .woken }
            } catch {
                throw failed(error)
            }
        }
    }

    private func take(_ frame: amqp_frame_t) throws(RabbitMQError) -> BrokerWord? {
        do throws(RabbitMQError) {
            let word = try frames.take(frame)
            // Within a message too: else a long one would lie in the library as well. It frees nothing that is in use.
            if amqp_frames_enqueued(library.state) == 0 {
                amqp_maybe_release_buffers(library.state)
            }
            return word
        } catch {
            throw failed(error)
        }
    }

    /// Keeps what `next` gives out and what the connection is told about itself.
    ///
    /// - Returns: anything else.
    private func keep(_ word: BrokerWord) -> BrokerWord? {
        switch word {
        case .delivery(let delivery): arrived.append(.delivery(delivery))
        case .cancelled(let consumer): arrived.append(.cancelled(consumer))
        case .blocked(let reason): blockedReason = reason
        case .unblocked: blockedReason = nil
        case .confirmed, .rejected, .returned: return word
        }
        return nil
    }
}
