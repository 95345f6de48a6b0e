internal import Logging
internal import RabbitMQ
internal import Threads

/// Hears what the other gateways tell, and has tickets of the work queues processed while their service is well.
final class CourierConsumer: Sendable {
    private let configuration: BrokerConfiguration
    private let topology: CourierTopology
    private let seal: NewsSeal
    private let post: any CourierPost
    private let publisher: CourierPublisher
    private let status: CourierStatus
    private let times: CourierTimes
    private let log: Logger
    private let desk: DeliveryDesk
    private let interrupter = BrokerInterrupter()

    init(
        _ configuration: BrokerConfiguration, topology: CourierTopology, seal: NewsSeal,
        post: any CourierPost, publisher: CourierPublisher, status: CourierStatus,
        times: CourierTimes, log: Logger
    ) {
        self.configuration = configuration
        self.topology = topology
        self.seal = seal
        self.post = post
        self.publisher = publisher
        self.status = status
        self.times = times
        self.log = log
        desk = DeliveryDesk()
    }

    // MARK: For other threads

    func tell(_ service: String, isWell: Bool) {
        desk.tell(service, isWell: isWell)
    }

    /// `run` returns soon.
    func end() {
        desk.end()
        interrupter.interrupt()
    }

    // MARK: The thread

    func run() {
        var rotation = HostRotation(configuration.hosts, first: Int(topology.gateway.number % 97))
        var strangers = StrangerCount(pause: times.foreignLog)
        while !desk.isEnding, let host = rotation.host {
            do throws(RabbitMQError) {
                // A descriptor that two threads write to: a new one for each connection would be for nothing.
                let wake = try desk.wakeUp()
                let connection = try BrokerConnection(
                    configuration, host: host,
                    name: "pasarela \(topology.tree) \(topology.gateway) consumer",
                    interrupter: interrupter)
                try topology.declare(on: connection)
                let session = ConsumerSession(
                    connection, topology: topology, seal: seal, post: post, publisher: publisher,
                    desk: desk, wake: wake, times: times, log: log, strangers: strangers)
                defer {
                    strangers = session.strangers
                    desk.voidAll()
                    post.withdrawOffers()
                }
                try session.begin()
                status.serves(.consumer, host)
                rotation.served()
                if try session.run() == .renew { continue }
            } catch {
                guard error.code != .interrupted else { break }
                status.failed(.consumer, error)
            }
            desk.pause(rotation.failed(jitter: .random(in: 0...1)))
        }
    }
}

/// Counts messages that no gateway of the tree has sealed, for a line now and then.
struct StrangerCount {
    private let pause: Duration
    private var next: Int64 = .min
    private var count = 0

    init(pause: Duration) { self.pause = pause }

    /// One more.
    ///
    /// - Returns: how many since the last line, if it is time for one.
    mutating func met(now: Int64) -> Int? {
        count += 1
        guard now >= next else { return nil }
        next = now + pause.wholeNanoseconds
        defer { count = 0 }
        return count
    }
}
