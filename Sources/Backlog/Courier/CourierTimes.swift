/// How long the courier waits for what.
struct CourierTimes: Sendable {
    /// For the broker's confirms of a batch.
    var confirms = Duration.seconds(10)
    /// Before what was refused or returned is published again; twice as long each time, up to 16 times as long.
    var refused = Duration.seconds(1)
    /// Before what nobody here could take goes back to a queue that is still consumed.
    var requeue = Duration.milliseconds(500)
    /// Between looks at an idle connection: heartbeats are sent then.
    var idle = Duration.seconds(2)
    /// Between looks whether a queue holds what is not handed out to us; the second one that finds so ends the connection.
    var look = Duration.seconds(5)
    /// Before the store is asked again after it took nothing.
    var store = Duration.seconds(1)
    /// Between two lines about foreign seals.
    var foreignLog = Duration.seconds(60)

    /// The defaults.
    init() {}
}
