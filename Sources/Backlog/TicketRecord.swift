internal import Threads

/// A ticket as the store keeps it, without its bytes. Times are milliseconds since 1970.
struct TicketRecord: Sendable, Hashable {
    let id: TicketID
    let owner: GatewayID
    /// This gateway accepted it: it replays it from the store.
    let isOwn: Bool
    let service: String
    var state: TicketState
    /// Grows by one with each retry.
    var round: Int
    let created: Int64
    /// Until when it waits or its answer is kept; of a trace, until when it would have been.
    var expires: Int64
    /// When it was answered, failed or deleted.
    var changed: Int64?
    var failures: Int
    /// Not to be processed before this time; 0: at once.
    var notBefore: Int64
    /// Grows by one with each change that other gateways must hear.
    var revision: Int64
    /// Other gateways have heard this revision, or there are none.
    var isTold: Bool
    var requestBytes: Int
    var answerBytes: Int
    /// The place that is kept for its answer while it waits; 0 for tickets of other gateways.
    let reservedBytes: Int

    /// It has ended in a way that has an answer.
    var hasAnswer: Bool { state == .answered || state == .failed }

    /// Only its id is remembered.
    var isTrace: Bool { state == .deleted || state == .expired }

    /// What it takes of `TicketLimits.bytesMax`.
    var storedBytes: Int {
        TicketLimits.rowBytes + requestBytes + (state == .waiting ? reservedBytes : answerBytes)
    }
}

/// The bounds and lives that the state machine keeps. Lives are milliseconds.
struct TicketLimits: Sendable {
    /// What a ticket counts besides its bytes: its row and its places in the indexes, generously.
    static let rowBytes = 512

    var ticketsMax = 10_000
    var bytesMax = 512 << 20
    var attemptsMax = 5
    var ticketLife: Int64 = 86_400_000
    var answerLife: Int64 = 86_400_000
    var traceLife: Int64 = 86_400_000

    /// The defaults.
    init() {}

    init(_ configuration: BacklogConfiguration) {
        ticketsMax = max(configuration.ticketsMax, 0)
        bytesMax = max(configuration.bytesMax, 0)
        attemptsMax = max(configuration.attemptsMax, 1)
        ticketLife = Self.milliseconds(configuration.ticketLife)
        answerLife = Self.milliseconds(configuration.answerLife)
        traceLife = Self.milliseconds(configuration.traceLife)
    }

    private static func milliseconds(_ life: Duration) -> Int64 {
        max(life.wholeNanoseconds / 1_000_000, 0)
    }

    /// Answers that are larger than the place kept for them may take a quarter more, so that a full backlog drains.
    var answeredBytesMax: Int { bytesMax + bytesMax / 4 }

    /// What tickets of other gateways may take: their owners keep them anyway.
    var foreignBytesMax: Int { bytesMax / 2 }
}

/// What is kept at the moment, counted.
struct TicketTotals: Sendable, Hashable {
    /// Own waiting tickets by service.
    var waiting: [String: Int] = [:]
    var ownWaiting = 0
    var foreignWaiting = 0
    /// Of all tickets, traces too, and what is kept for answers.
    var bytes = 0
    /// Of other gateways' tickets.
    var foreignBytes = 0
    /// Changes not told yet.
    var untold = 0

    mutating func add(_ record: TicketRecord) { count(record, 1) }

    mutating func remove(_ record: TicketRecord) { count(record, -1) }

    private mutating func count(_ record: TicketRecord, _ sign: Int) {
        bytes += sign * record.storedBytes
        if !record.isOwn { foreignBytes += sign * record.storedBytes }
        if !record.isTold { untold += sign }
        guard record.state == .waiting else { return }
        if record.isOwn {
            ownWaiting += sign
            waiting[record.service, default: 0] += sign
        } else {
            foreignWaiting += sign
        }
    }
}
