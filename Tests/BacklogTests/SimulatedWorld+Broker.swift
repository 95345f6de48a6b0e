import TestSupport

@testable import Backlog

/// The broker, who reorders, repeats, refuses and loses what it has not confirmed.
extension SimulatedWorld {
    /// The outbox: what is durable and not told, oldest first.
    mutating func publish(_ place: Int) {
        guard isBrokerThere, gateways[place].unconfirmed.isEmpty else { return }
        let untold = gateways[place].disk.values.filter { !$0.record.isTold }.sorted {
            ($0.record.created, $0.record.id.high) < ($1.record.created, $1.record.id.high)
        }
        for kept in untold.prefix(8) {
            let record = kept.record
            let news = TicketNews(
                id: record.id, owner: record.owner, service: record.service, state: record.state,
                round: record.round, created: record.created, expires: record.expires,
                changed: record.changed, failures: record.failures, revision: record.revision,
                request: kept.request ?? [], answer: kept.answer)
            gateways[place].unconfirmed.append(
                (record.id, record.revision, Message(news: news, isWork: record.state == .waiting)))
        }
    }

    mutating func confirm(_ place: Int) {
        guard !gateways[place].unconfirmed.isEmpty else { return }
        guard isBrokerThere, !random.oneIn(10) else {
            // Time-out: the broker may have it all the same.
            for sent in gateways[place].unconfirmed where random.oneIn(2) { route(sent.message) }
            gateways[place].unconfirmed = []
            return
        }
        for sent in gateways[place].unconfirmed {
            // A nack, a return.
            if random.oneIn(12) { continue }
            route(sent.message)
            apply(.told(revision: sent.revision), to: sent.id, at: place)
        }
        gateways[place].unconfirmed = []
    }

    mutating func route(_ message: Message) {
        published += 1
        for place in queues.indices {
            queues[place].append(Message(news: message.news, isWork: false))
        }
        if message.isWork { work.append(message) }
    }

    mutating func requeue(_ message: Message, _ place: Int) {
        if message.isWork { work.append(message) } else { queues[place].append(message) }
    }

    /// Any of the messages that wait: no order is promised.
    static func take(
        _ messages: inout [Message], _ random: inout SeededGenerator
    ) -> Message? {
        guard !messages.isEmpty else { return nil }
        let place = random.number(in: 0...(messages.count - 1))
        messages.swapAt(place, messages.count - 1)
        return messages.removeLast()
    }

    mutating func deliver(_ place: Int) {
        for _ in 0..<4 {
            guard isBrokerThere, let message = Self.take(&queues[place], &random) else { return }
            deliveries += 1
            apply(.merge(message.news), to: message.news.id, at: place)
            gateways[place].unacknowledged.append(message)
        }
    }

    mutating func deliverWork(_ place: Int) {
        guard gateways[place].daemon != .absent, gateways[place].atWork.count < 8,
            isBrokerThere, let message = Self.take(&work, &random)
        else { return }
        deliveries += 1
        let news = message.news
        apply(.merge(news), to: news.id, at: place)
        guard let kept = gateways[place].kept(news.id), kept.record.state == .waiting else {
            // Ended: acknowledged without a call.
            gateways[place].unacknowledged.append(message)
            return
        }
        guard !gateways[place].atWork.contains(where: { $0.id == news.id }) else {
            requeue(message, place)
            return
        }
        gateways[place].atWork.append((news.id, kept.request ?? [], message))
    }

    mutating func deliverDead(_ place: Int) {
        guard isBrokerThere, let message = Self.take(&dead, &random) else { return }
        let news = message.news
        apply(.merge(news), to: news.id, at: place)
        if gateways[place].kept(news.id)?.record.state == .waiting { route(message) }
    }

    mutating func repeatSomething() {
        for place in queues.indices {
            if let message = queues[place].last { queues[place].insert(message, at: 0) }
        }
        if let message = work.last { work.insert(message, at: 0) }
    }
}
