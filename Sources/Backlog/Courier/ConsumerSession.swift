internal import Logging
internal import RabbitMQ
internal import Threads

/// One connection's worth of consuming. On the consumer's thread.
final class ConsumerSession {
    private static let newsConsumer = "news"
    private static let deadConsumer = "dead"
    static let newsPrefetch: UInt16 = 64
    static let otherPrefetch: UInt16 = 8
    static let mergeBytesMax = 8 << 20

    private let connection: BrokerConnection
    private let topology: CourierTopology
    private let seal: NewsSeal
    private let post: any CourierPost
    private let publisher: CourierPublisher
    private let desk: DeliveryDesk
    private let wake: WakeUp
    private let times: CourierTimes
    private let log: Logger
    private(set) var strangers: StrangerCount

    /// The desk's number of this connection.
    private let number: Int
    /// Services whose work queue is consumed.
    private var consumed: Set<String> = []
    /// Deliveries that others decide about, and the services whose queues they came from (nil: a dead letter).
    private var undecided: [UInt64: String?] = [:]
    /// Deliveries that go back to a queue that is still consumed, each when it is time, ascending.
    private var returning: [(tag: UInt64, time: Int64)] = []
    private var heard: [(tag: UInt64, news: TicketNews)] = []
    private var heardBytes = 0
    /// When the store is asked again that could not keep what was heard.
    private var mergeTime: Int64 = 0

    init(
        _ connection: BrokerConnection, topology: CourierTopology, seal: NewsSeal,
        post: any CourierPost, publisher: CourierPublisher, desk: DeliveryDesk, wake: WakeUp,
        times: CourierTimes, log: Logger, strangers: StrangerCount
    ) {
        self.connection = connection
        self.topology = topology
        self.seal = seal
        self.post = post
        self.publisher = publisher
        self.desk = desk
        self.wake = wake
        self.times = times
        self.log = log
        self.strangers = strangers
        number = desk.connection
    }

    func begin() throws(RabbitMQError) {
        try connection.consume(
            topology.ownQueue, consumer: Self.newsConsumer, prefetch: Self.newsPrefetch)
        try connection.consume(
            topology.dead, consumer: Self.deadConsumer, prefetch: Self.otherPrefetch)
    }

    /// Until the connection is of no more use, or it is time to end.
    func run() throws(RabbitMQError) {
        while !desk.isEnding {
            wake.clear()
            try follow(desk.well)
            try carryOut(desk.takeVerdicts())
            try requeueLate()
            let isMergeDue = !heard.isEmpty && MonotonicClock.now >= mergeTime
            switch try connection.next(within: isMergeDue ? .zero : pause(), wake: wake) {
            case .delivery(let delivery): try take(delivery)
            case .cancelled(let consumer):
                throw RabbitMQError(.closed, "RabbitMQ ended the consumer \(consumer)")
            // With a wake-up too: it may come again and again.
            case .deadline, .woken: if isMergeDue { try merge() }
            }
            if heard.count >= Int(Self.newsPrefetch) || heardBytes >= Self.mergeBytesMax,
                MonotonicClock.now >= mergeTime
            {
                try merge()
            }
        }
    }

    /// Until there is something to do besides what comes.
    private func pause() -> Duration {
        var end = MonotonicClock.now + times.idle.wholeNanoseconds
        if let first = returning.first { end = min(end, first.time) }
        if !heard.isEmpty { end = min(end, mergeTime) }
        return .nanoseconds(max(end - MonotonicClock.now, 0))
    }

    /// Consumes the work queues of those services that are well, and no others.
    private func follow(_ well: Set<String>) throws(RabbitMQError) {
        for service in topology.services {
            let consumer = topology.workQueue(service)
            if well.contains(service), consumed.insert(service).inserted {
                try connection.consume(
                    topology.workQueue(service), consumer: consumer, prefetch: Self.otherPrefetch)
            } else if !well.contains(service), consumed.remove(service) != nil {
                try connection.cancel(consumer: consumer)
            }
        }
    }

    // MARK: What comes

    private func take(_ delivery: Delivery) throws(RabbitMQError) {
        FailPoint.deliveryReceived.pass()
        guard let news = seal.opened(delivery.body) else {
            if let count = strangers.met(now: MonotonicClock.now) {
                log.warning(
                    "Messages that no gateway of this tree has sealed are thrown away.",
                    metadata: ["MESSAGES": "\(count)", "QUEUE": "\(delivery.consumer)"])
            }
            return try acknowledge(delivery.tag)
        }
        switch delivery.consumer {
        case Self.newsConsumer:
            heard.append((delivery.tag, news))
            heardBytes += delivery.body.count
        case Self.deadConsumer:
            undecided[delivery.tag] = .some(nil)
            takeDeadLetter(news, delivery)
        default:
            let service = topology.services.first { topology.workQueue($0) == delivery.consumer }
            undecided[delivery.tag] = .some(service)
            offer(news, delivery.tag)
        }
    }

    private func offer(_ news: TicketNews, _ tag: UInt64) {
        do {
            try post.offer(news) { [desk, number] outcome in
                let verdict: DeliveryDesk.Verdict =
                    switch outcome {
                    case .ended: .acknowledge
                    case .released: .requeue
                    case .failedAttempt: .reject
                    }
                desk.decide(verdict, tag, of: number)
            }
        } catch {
            desk.decide(.requeue, tag, of: number)
        }
    }

    private func takeDeadLetter(_ news: TicketNews, _ delivery: Delivery) {
        let tag = delivery.tag
        do {
            let again = try post.deadLetter(news, isFailure: delivery.deathReason == "rejected")
            guard let again else { return desk.decide(.acknowledge, tag, of: number) }
            publisher.publishAgain(
                CourierPublisher.Again(news: again) { [desk, number] isPublished in
                    if isPublished { FailPoint.deadLetterPublished.pass() }
                    desk.decide(isPublished ? .acknowledge : .requeue, tag, of: number)
                })
        } catch {
            desk.decide(.requeue, tag, of: number)
        }
    }

    // MARK: What goes back

    private func carryOut(
        _ verdicts: [(tag: UInt64, verdict: DeliveryDesk.Verdict)]
    ) throws(RabbitMQError) {
        for (tag, verdict) in verdicts {
            guard let service = undecided.removeValue(forKey: tag) else { continue }
            switch verdict {
            case .acknowledge:
                try acknowledge(tag)
            case .reject:
                FailPoint.rejectBefore.pass()
                try connection.reject(tag)
            case .requeue where service.map(consumed.contains) ?? true:
                // It would come back at once.
                let time = MonotonicClock.now + times.requeue.wholeNanoseconds
                returning.append((tag, time))
            case .requeue:
                FailPoint.rejectBefore.pass()
                try connection.requeue(tag)
            }
        }
    }

    private func requeueLate() throws(RabbitMQError) {
        while let first = returning.first, MonotonicClock.now >= first.time {
            returning.removeFirst()
            FailPoint.rejectBefore.pass()
            try connection.requeue(first.tag)
        }
    }

    private func merge() throws(RabbitMQError) {
        do {
            try post.merge(heard.map(\.news))
        } catch {
            mergeTime = MonotonicClock.now + times.store.wholeNanoseconds
            return
        }
        FailPoint.acknowledgeBefore.pass()
        if undecided.isEmpty, returning.isEmpty, let last = heard.last {
            // Nothing else is open, so that all up to here is what was heard.
            try connection.acknowledge(upTo: last.tag)
        } else {
            for (tag, _) in heard { try connection.acknowledge(tag) }
        }
        FailPoint.acknowledgeAfter.pass()
        heard = []
        heardBytes = 0
    }

    private func acknowledge(_ tag: UInt64) throws(RabbitMQError) {
        FailPoint.acknowledgeBefore.pass()
        try connection.acknowledge(tag)
        FailPoint.acknowledgeAfter.pass()
    }
}
