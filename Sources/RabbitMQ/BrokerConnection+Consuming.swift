internal import CRabbitMQ

extension BrokerConnection {
    /// Begins to take messages of a queue; `next` hands them out.
    ///
    /// - Parameters:
    ///   - consumer: a tag for it, of its own on this connection.
    ///   - prefetch: how many the broker hands out before the first is acknowledged; at least 1.
    public func consume(
        _ queue: String, consumer: String, prefetch: UInt16
    ) throws(RabbitMQError) {
        // Of each consumer begun from now on (RabbitMQ's reading of `global` = false).
        try call("prefetch of queue \(queue)") { _ in
            amqp_basic_qos(library.state, Self.channel, 0, max(prefetch, 1), 0)
        } read: { _ in
        }
        try call("consumer of queue \(queue)") { memory in
            amqp_basic_consume(
                library.state, Self.channel, memory.bytes(queue), memory.bytes(consumer), 0, 0, 0,
                amqp_empty_table)
        } read: { _ in
        }
    }

    /// A delivery is done with.
    public func acknowledge(_ tag: UInt64) throws(RabbitMQError) {
        try send("acknowledgement") {
            amqp_basic_ack(library.state, Self.channel, tag, 0)
        }
    }

    /// All deliveries of this connection up to this one, of whichever consumer, are done with.
    public func acknowledge(upTo tag: UInt64) throws(RabbitMQError) {
        try send("acknowledgement") {
            amqp_basic_ack(library.state, Self.channel, tag, 1)
        }
    }

    /// A delivery goes back to its queue.
    public func requeue(_ tag: UInt64) throws(RabbitMQError) {
        try send("requeueing") {
            amqp_basic_reject(library.state, Self.channel, tag, 1)
        }
    }

    /// A delivery is refused: it becomes a dead letter, or is gone where the queue names no exchange for those.
    public func reject(_ tag: UInt64) throws(RabbitMQError) {
        try send("rejection") {
            amqp_basic_reject(library.state, Self.channel, tag, 0)
        }
    }
}
