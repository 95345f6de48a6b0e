internal import Logging
internal import RabbitMQ
internal import Threads

/// One connection's worth of consuming. On the consumer's thread.
final class ConsumerSession {
    /// Why it has ended without a failure.
    enum Ending {
        /// A work queue is not to be consumed any more: go on with a new connection.
        case renew
        case stop
    }

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
    /// Deliveries that others decide about, and the consumers to which they came.
    private var undecided: [UInt64: String] = [:]
    /// Deliveries that go back to their queue, each when it is time, ascending.
    private var returning: [(tag: UInt64, consumer: String, time: Int64)] = []
    private var heard: [(tag: UInt64, news: TicketNews)] = []
    private var heardBytes = 0
    /// When the store is asked again that could not keep what was heard.
    private var mergeTime: Int64 = 0
    private var watch = DeafnessWatch()
    /// When it is looked for consumers that hear nothing.
    private var lookTime: Int64

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
        lookTime = MonotonicClock.now + times.look.wholeNanoseconds
    }

    func begin() throws(RabbitMQError) {
        try connection.consume(
            topology.ownQueue, consumer: Self.newsConsumer, prefetch: Self.newsPrefetch)
        try connection.consume(
            topology.dead, consumer: Self.deadConsumer, prefetch: Self.otherPrefetch)
    }

    /// Until the connection is of no more use, or it is time to end.
    func run() throws(RabbitMQError) -> Ending {
        while !desk.isEnding {
            wake.clear()
            let well = desk.well
            // RabbitMQ 3.10 forgets what a cancelled consumer holds when the node of its connection dies: nobody gets
            // it before that node is back. What a closed connection held, it hands out again at once.
            guard consumed.isSubset(of: well) else { return .renew }
            try consume(well)
            try carryOut(desk.takeVerdicts())
            try requeueLate()
            try lookForDeafness()
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
        return .stop
    }

    /// Until there is something to do besides what comes.
    private func pause() -> Duration {
        var end = min(MonotonicClock.now + times.idle.wholeNanoseconds, lookTime)
        if let first = returning.first { end = min(end, first.time) }
        if !heard.isEmpty { end = min(end, mergeTime) }
        return .nanoseconds(max(end - MonotonicClock.now, 0))
    }

    /// Consumes the work queues of these services.
    private func consume(_ well: Set<String>) throws(RabbitMQError) {
        for service in topology.services
        where well.contains(service) && consumed.insert(service).inserted {
            try connection.consume(
                topology.workQueue(service), consumer: topology.workQueue(service),
                prefetch: Self.otherPrefetch)
        }
    }

    /// A queue has what nobody hands out to us: only a new connection helps.
    private func lookForDeafness() throws(RabbitMQError) {
        guard MonotonicClock.now >= lookTime else { return }
        lookTime = MonotonicClock.now + times.look.wholeNanoseconds
        var busy = Set(undecided.values).union(returning.map(\.consumer))
        if !heard.isEmpty { busy.insert(Self.newsConsumer) }
        let workQueues = consumed.map { topology.workQueue($0) }
        let consumers = [
            (Self.newsConsumer, topology.ownQueue), (Self.deadConsumer, topology.dead),
        ]
        for (consumer, queue) in consumers + workQueues.map({ ($0, $0) })
        where watch.isToAsk(about: consumer, isBusy: busy.contains(consumer)) {
            let waiting = try connection.figures(of: queue).messages
            if watch.isDeaf(consumer, waiting: waiting) {
                throw RabbitMQError(
                    .closed, "RabbitMQ hands out nothing of \(waiting) messages in queue \(queue)")
            }
        }
    }

    // MARK: What comes

    private func take(_ delivery: Delivery) throws(RabbitMQError) {
        FailPoint.deliveryReceived.pass()
        watch.came(to: delivery.consumer)
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
            undecided[delivery.tag] = delivery.consumer
            takeDeadLetter(news, delivery)
        default:
            undecided[delivery.tag] = delivery.consumer
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
            guard let consumer = undecided.removeValue(forKey: tag) else { continue }
            switch verdict {
            case .acknowledge:
                try acknowledge(tag)
            case .reject:
                FailPoint.rejectBefore.pass()
                try connection.reject(tag)
            case .requeue:
                // It would come back at once.
                let time = MonotonicClock.now + times.requeue.wholeNanoseconds
                returning.append((tag, consumer, time))
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
