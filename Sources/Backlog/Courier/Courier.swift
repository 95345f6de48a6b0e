internal import Logging
internal import RabbitMQ
internal import Threads

/// Carries tickets between the gateways of a tree over RabbitMQ: tells what is in the outbox, hears what others tell,
/// has tickets of the work queues processed here while their service is well.
///
/// A thread and a connection for each direction. A broker that is away, stalled or full delays nothing but this: what
/// is not confirmed stays in the outbox, what is not acknowledged comes again.
final class Courier: TicketCourier {
    private let publisher: CourierPublisher
    private let consumer: CourierConsumer
    private let threads = Monitor<[WorkerThread]>([])

    init(
        _ setup: BrokerSetup, services: [String], post: any CourierPost, log: Logger,
        times: CourierTimes = CourierTimes(),
        now: @escaping @Sendable () -> Int64 = { WallClock.now }
    ) {
        let status = CourierStatus(post, log)
        let topology = CourierTopology(
            tree: setup.tree, services: services, gateway: post.gatewayID)
        let seal = NewsSeal(tree: setup.tree, mac: setup.mac)
        let writer = NewsWriter(topology: topology, seal: seal, now: now)
        publisher = CourierPublisher(
            setup.configuration, topology: topology, writer: writer, post: post, status: status,
            times: times, log: log)
        consumer = CourierConsumer(
            setup.configuration, topology: topology, seal: seal, post: post,
            publisher: publisher, status: status, times: times, log: log)
    }

    func start() throws(BacklogError) {
        do {
            let publishing = try WorkerThread(name: "courier-publish") { [publisher] in
                publisher.run()
            }
            threads.update(waking: .none) { $0.append(publishing) }
            let consuming = try WorkerThread(name: "courier-consume") { [consumer] in
                consumer.run()
            }
            threads.update(waking: .none) { $0.append(consuming) }
        } catch {
            stop()
            throw BacklogError(
                .broken, "the courier: \(error)")
        }
    }

    func stop() {
        publisher.end()
        consumer.end()
        let running = threads.update(waking: .none) { threads in
            defer { threads = [] }
            return threads
        }
        for thread in running { thread.join() }
    }

    func tell(_ service: String, isWell: Bool) {
        consumer.tell(service, isWell: isWell)
    }
}

/// Makes messages of news.
struct NewsWriter: Sendable {
    let topology: CourierTopology
    let seal: NewsSeal
    let now: @Sendable () -> Int64

    /// What is left to live is at least this, or a message that is only just late would not even arrive.
    private static let lifeMin: Int64 = 1_000

    /// Nil for what can't be told: an expired ticket, one that is larger than a message.
    func message(_ news: TicketNews) -> OutgoingMessage? {
        guard let body = seal.sealed(news), body.count <= OutgoingMessage.bodyBytesMax else {
            return nil
        }
        let key =
            news.state == .waiting
            ? CourierTopology.ticketKey(news.service) : CourierTopology.newsKey
        let (left, overflow) = news.expires.subtractingReportingOverflow(now())
        return OutgoingMessage(
            exchange: topology.exchange, routingKey: key, body: body,
            contentType: "application/x-protobuf", messageID: "\(news.id)",
            applicationID: "\(topology.gateway)",
            expiration: .milliseconds(overflow ? .max : max(left, Self.lifeMin)))
    }
}
