internal import RabbitMQ

/// The tree's exchanges and queues. Every gateway declares all it uses; RabbitMQ refuses one that is there otherwise.
///
/// Waiting tickets are published with the key `ticket.SERVICE`: they reach the service's work queue, which all gateways
/// of the tree share, and each gateway's own queue. What ended is published with the key `news`: to the gateways' queues.
struct CourierTopology: Sendable {
    let tree: String
    let services: [String]
    let gateway: GatewayID

    static let newsKey = "news"

    static func ticketKey(_ service: String) -> String { "ticket.\(service)" }

    var exchange: String { "pasarela.\(tree)" }
    /// Exchange and queue.
    var dead: String { "pasarela.\(tree).dead" }
    /// What this gateway hears of the others; it outlives a stop by two days.
    var ownQueue: String { "pasarela.\(tree).gateway.\(gateway)" }

    func workQueue(_ service: String) -> String { "pasarela.\(tree).\(service)" }

    private static let day: Int64 = 86_400_000
    private static let gibibyte: Int64 = 1 << 30

    /// Declares all of it.
    func declare(on connection: BrokerConnection) throws(RabbitMQError) {
        try connection.declareExchange(exchange, kind: .topic)
        try connection.declareExchange(dead, kind: .fanout)
        try connection.declare(QueueDeclaration(dead, arguments: Self.keeping))
        try connection.bind(queue: dead, to: dead, key: "")
        for service in services {
            try connection.declare(workDeclaration(service))
            try connection.bind(
                queue: workQueue(service), to: exchange, key: Self.ticketKey(service))
        }
        try connection.declare(ownDeclaration)
        try connection.bind(queue: ownQueue, to: exchange, key: Self.ticketKey("*"))
        try connection.bind(queue: ownQueue, to: exchange, key: Self.newsKey)
    }

    /// Of queues that rather refuse a message than lose one. The time to live is longer than any ticket's by default.
    private static let keeping: [String: QueueDeclaration.Argument] = [
        "x-queue-type": .text("quorum"),
        "x-overflow": .text("reject-publish"),
        "x-max-length": .number(100_000),
        "x-max-length-bytes": .number(gibibyte),
        "x-message-ttl": .number(8 * day),
    ]

    private func workDeclaration(_ service: String) -> QueueDeclaration {
        // At-most-once, the default, would lose the ticket when the dead letters' queue is away.
        let more: [String: QueueDeclaration.Argument] = [
            "x-dead-letter-exchange": .text(dead),
            "x-dead-letter-strategy": .text("at-least-once"),
        ]
        return QueueDeclaration(
            workQueue(service), arguments: Self.keeping.merging(more) { $1 })
    }

    private var ownDeclaration: QueueDeclaration {
        // What is dropped here, its owner knows: nothing is lost, only not heard.
        QueueDeclaration(
            ownQueue,
            arguments: [
                "x-queue-type": .text("quorum"),
                "x-overflow": .text("drop-head"),
                "x-max-length": .number(100_000),
                "x-max-length-bytes": .number(Self.gibibyte / 4),
                "x-message-ttl": .number(2 * Self.day),
                "x-expires": .number(2 * Self.day),
            ])
    }
}
