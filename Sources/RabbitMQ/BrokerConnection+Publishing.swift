internal import CRabbitMQ

/// What a connection knows of its own publishing.
struct PublisherState {
    /// Whether the broker was told to confirm.
    var confirms = false
    /// The number of the next message; the broker counts alike, from 1.
    var nextSequence: UInt64 = 1
}

/// The outcomes of one batch, as they come in.
private struct PublishRound {
    let first: UInt64
    var outcomes: [PublishOutcome]
    private var isSettled: [Bool]
    private var firstOpen = 0
    private(set) var open: Int

    init(first: UInt64, count: Int) {
        self.first = first
        outcomes = Array(repeating: .unconfirmed, count: count)
        isSettled = Array(repeating: false, count: count)
        open = count
    }

    mutating func take(_ word: BrokerWord) {
        switch word {
        case .confirmed(let tag, let upTo): settle(tag, upTo, .confirmed)
        case .rejected(let tag, let upTo): settle(tag, upTo, .rejected)
        case .returned(let sequence, let reason):
            // It comes before its confirm.
            if let index = sequence.flatMap(place) { outcomes[index] = .returned(reason) }
        case .delivery, .cancelled, .blocked, .unblocked: break
        }
    }

    private func place(_ sequence: UInt64) -> Int? {
        guard sequence >= first, sequence - first < UInt64(outcomes.count) else { return nil }
        return Int(sequence - first)
    }

    private mutating func settle(_ tag: UInt64, _ upTo: Bool, _ outcome: PublishOutcome) {
        guard let index = place(tag) else { return }
        for index in upTo ? min(firstOpen, index)...index : index...index
        where !isSettled[index] {
            isSettled[index] = true
            open -= 1
            // A message that no queue took is confirmed all the same.
            if outcomes[index] == .unconfirmed { outcomes[index] = outcome }
        }
        while firstOpen < isSettled.count, isSettled[firstOpen] { firstOpen += 1 }
    }
}

extension BrokerConnection {
    /// Publishes messages and waits for what becomes of each, in one round.
    ///
    /// - Parameters:
    ///   - time: for all of it; a broker that takes nothing or confirms nothing (stalled, out of memory or disk,
    ///   without the majority of a quorum queue) leaves what it has not confirmed by then `unconfirmed`, and the connection
    ///   is of no more use.
    ///   - written: called when all are written and none needs to be confirmed yet.
    /// - Returns: an outcome for each message, in their order.
    /// - Throws: when the connection breaks. Any of the messages may have arrived then.
    public func publish(
        _ messages: [OutgoingMessage], within time: Duration, written: () -> Void = {}
    ) throws(RabbitMQError) -> [PublishOutcome] {
        let deadline = MonotonicDeadline(after: time)
        try requireUse()
        guard !messages.isEmpty else { return [] }
        if !publisherState.confirms {
            try call("publisher confirms") { _ in
                amqp_confirm_select(library.state, Self.channel)
            } read: { _ in
            }
            publisherState.confirms = true
        }
        var round = PublishRound(first: publisherState.nextSequence, count: messages.count)
        do throws(RabbitMQError) {
            for message in messages {
                // While it is written to, the broker must get rid of what it says: else both may wait for ever. And
                // where it takes nothing it says why.
                repeat {
                    while let word = try nextAnswer(MonotonicDeadline(after: .zero)) {
                        round.take(word)
                    }
                } while try !mayWrite(deadline) && !deadline.isPast
                guard !deadline.isPast else { break }
                try write(message, deadline)
            }
            written()
            while round.open > 0, let word = try nextAnswer(deadline) { round.take(word) }
        } catch {
            // A write that the deadline ended looks like a connection that broke.
            guard deadline.isPast, error.code == .closed else { throw error }
        }
        if round.open > 0 {
            let reason = blockedReason.map { ": it takes no messages (\($0))" } ?? ""
            timedOut(
                "\(host) confirmed \(messages.count - round.open) of \(messages.count) messages "
                    + "within \(time)\(reason)")
        }
        return round.outcomes
    }

    private func mayWrite(_ deadline: MonotonicDeadline) throws(RabbitMQError) -> Bool {
        do throws(RabbitMQError) {
            return try library.waitToWrite(milliseconds: deadline.milliseconds)
        } catch {
            throw failed(error)
        }
    }

    private func write(
        _ message: OutgoingMessage, _ deadline: MonotonicDeadline
    ) throws(RabbitMQError) {
        let memory = LibraryMemory()
        var properties = amqp_basic_properties_t()
        properties._flags =
            crabbitmq_content_type_flag | crabbitmq_delivery_mode_flag | crabbitmq_message_id_flag
            | crabbitmq_app_id_flag | crabbitmq_correlation_flag
        properties.delivery_mode = UInt8(AMQP_DELIVERY_PERSISTENT.rawValue)
        properties.content_type = memory.bytes(message.contentType)
        properties.message_id = memory.bytes(message.messageID)
        properties.app_id = memory.bytes(message.applicationID)
        // A message that comes back has no number of its own: we find it by this.
        properties.correlation_id = memory.bytes(String(publisherState.nextSequence))
        if let expiration = message.expiration {
            properties._flags |= crabbitmq_expiration_flag
            properties.expiration = memory.bytes(String(max(expiration.wholeMilliseconds, 0)))
        }
        library.limitWrites(milliseconds: deadline.milliseconds)
        var body = message.body
        let status = body.withUnsafeMutableBytes { bytes in
            withExtendedLifetime(memory) {
                amqp_basic_publish(
                    library.state, Self.channel, memory.bytes(message.exchange),
                    memory.bytes(message.routingKey), 1, 0, &properties,
                    amqp_bytes_t(len: bytes.count, bytes: bytes.baseAddress))
            }
        }
        guard status == AMQP_STATUS_OK.rawValue else {
            throw failed(RabbitMQError(status: status, doing: "publishing to \(host)"))
        }
        publisherState.nextSequence += 1
    }
}

extension Duration {
    /// Whole milliseconds, rounded down; at most what a broker takes (2^32 - 1).
    fileprivate var wholeMilliseconds: Int64 {
        guard components.seconds < 4_294_967 else { return 4_294_967_295 }
        return components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000
    }
}
