/// Notices a consumer to which RabbitMQ hands out nothing although its queue holds something, as may be after the loss
/// of the node that leads the queue. Pure.
struct DeafnessWatch {
    /// To whom something came since the last look.
    private var heard: Set<String> = []
    /// Whose queue held something at the last look.
    private var suspects: Set<String> = []

    /// A delivery.
    mutating func came(to consumer: String) {
        heard.insert(consumer)
    }

    /// Whether its queue is to be looked at: nothing came, and nothing of it is in hand.
    mutating func isToAsk(about consumer: String, isBusy: Bool) -> Bool {
        let isQuiet = heard.remove(consumer) == nil && !isBusy
        if !isQuiet { suspects.remove(consumer) }
        return isQuiet
    }

    /// Whether its queue, which holds so much that nobody has, held something at the look before as well.
    mutating func isDeaf(_ consumer: String, waiting: Int) -> Bool {
        guard waiting > 0 else {
            suspects.remove(consumer)
            return false
        }
        return !suspects.insert(consumer).inserted
    }
}
