internal import CRabbitMQ

extension BrokerConnection {
    /// Declares a durable exchange; one that is there and alike is left as it is.
    ///
    /// - Throws: `mismatch` where it is there and different.
    public func declareExchange(
        _ name: String, kind: ExchangeKind
    ) throws(RabbitMQError) {
        try call("exchange \(name)") { memory in
            amqp_exchange_declare(
                library.state, Self.channel, memory.bytes(name), memory.bytes(kind.rawValue), 0, 1,
                0, 0, amqp_empty_table)
        } read: { _ in
        }
    }

    /// Declares a durable queue; one that is there and alike is left as it is.
    ///
    /// - Throws: `mismatch` where it is there with other arguments; the message names the queue and what differs.
    @discardableResult
    public func declare(_ queue: QueueDeclaration) throws(RabbitMQError) -> QueueFigures {
        try call("queue \(queue.name)") { memory in
            amqp_queue_declare(
                library.state, Self.channel, memory.bytes(queue.name), 0, 1, 0, 0,
                memory.table(queue.arguments))
        } read: { reply in
            QueueFigures(
                messages: Int(reply.message_count), consumers: Int(reply.consumer_count))
        }
    }

    /// What a queue holds.
    ///
    /// - Throws: `unexpected` where it is not there.
    public func figures(of queue: String) throws(RabbitMQError) -> QueueFigures {
        try call("look at queue \(queue)") { memory in
            amqp_queue_declare(
                library.state, Self.channel, memory.bytes(queue), 1, 0, 0, 0, amqp_empty_table)
        } read: { reply in
            QueueFigures(
                messages: Int(reply.message_count), consumers: Int(reply.consumer_count))
        }
    }

    /// Routes what is published to an exchange with such a key to a queue.
    public func bind(
        queue: String, to exchange: String, key: String
    ) throws(RabbitMQError) {
        try call("binding of queue \(queue) to exchange \(exchange)") { memory in
            amqp_queue_bind(
                library.state, Self.channel, memory.bytes(queue), memory.bytes(exchange),
                memory.bytes(key), amqp_empty_table)
        } read: { _ in
        }
    }

    /// Removes a queue with what is in it; one that is not there is no fault.
    public func deleteQueue(_ name: String) throws(RabbitMQError) {
        try call("deletion of queue \(name)") { memory in
            amqp_queue_delete(library.state, Self.channel, memory.bytes(name), 0, 0)
        } read: { _ in
        }
    }
}
