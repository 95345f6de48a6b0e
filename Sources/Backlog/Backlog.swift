public import Logging
private import Synchronization
private import Threads

/// Keeps requests that no daemon could answer, and has them answered as soon as one can.
///
/// SQLite is the truth: what `accept` has returned survives a kill and a lost power supply. A broker, where there is
/// one, helps: it never delays a call of this class. A request and its answer are bytes that nobody here reads.
/// Every call may come from any thread; those that throw may wait for the disk.
public final class Backlog: Sendable {
    /// Asks a daemon for a ticket's answer; blocks until there is one. Called from several threads.
    public typealias Process =
        @Sendable (_ service: String, _ request: [UInt8], _ id: TicketID) -> Attempt
    typealias MakeCourier =
        @Sendable (BrokerSetup, [String], any CourierPost, Logger) -> any TicketCourier

    private let store: TicketStore
    private let replayer: Replayer
    private let board: ChangeBoard
    /// Held while one takes another's place.
    private let courier: Mutex<(any TicketCourier)?>
    private let makeCourier: @Sendable (BrokerSetup) -> (any TicketCourier)?
    /// Of the watch's looks, the last of each service: for a courier that comes later.
    private let looks = Mutex<[String: Bool]>([:])
    private let log: Logger
    private let now: @Sendable () -> Int64

    /// Opens the store; nothing is processed before `start`.
    ///
    /// - Throws: `broken`, in one line for the operator: the folder is not there, another process has it, the database is
    ///   damaged or of a newer version. It is never deleted.
    public convenience init(
        _ configuration: BacklogConfiguration, log: Logger, process: @escaping Process
    ) throws(BacklogError) {
        try self.init(
            configuration, log: log, now: { WallClock.now }, makeCourier: Self.courier,
            process: process)
    }

    init(
        _ configuration: BacklogConfiguration, log: Logger, now: @escaping @Sendable () -> Int64,
        lockPatience: Double = 5, makeCourier: MakeCourier?, process: @escaping Process
    ) throws(BacklogError) {
        self.log = log
        self.now = now
        let board = ChangeBoard(
            services: configuration.services,
            isShared: configuration.broker != nil && makeCourier != nil, log: log)
        self.board = board
        store = try TicketStore(
            folder: configuration.folder, limits: TicketLimits(configuration), now: now,
            patience: lockPatience, told: board.told
        ) { ledger, effects in
            board.heard(ledger, effects, now: now())
        }
        board.begin(store.totalsAtStart, oldest: store.oldestAtStart)
        replayer = Replayer(
            store, services: configuration.services, threads: configuration.replayThreads,
            rate: configuration.replayRate, now: now, log: log, process: process)
        let post = BacklogPost(store, replayer, board, now: now)
        let services = configuration.services
        let make: @Sendable (BrokerSetup) -> (any TicketCourier)? = { setup in
            makeCourier?(setup, services, post, log)
        }
        self.makeCourier = make
        courier = Mutex(configuration.broker.flatMap(make))
    }

    // MARK: Life

    /// Starts the threads. Once.
    public func start() throws(BacklogError) {
        let figures = board.current()
        log.info(
            "The backlog is open.",
            metadata: [
                "TICKETS_WAITING": "\(figures.waiting.values.reduce(0, +))",
                "STORED_BYTES": "\(figures.storedBytes)", "GATEWAY_ID": "\(store.me)",
            ])
        try store.start()
        board.attach(replayer)
        do {
            try replayer.start()
            try current()?.start()
        } catch {
            stop()
            throw error
        }
    }

    /// Returns when all threads have ended, calls to daemons under way too. Nothing is accepted afterwards.
    public func stop() {
        current()?.stop()
        replayer.stop()
        board.attach(nil)
        store.stop()
        board.watch.wakeAll()
    }

    /// Goes on with another broker, or with the same one by other credentials: what is not confirmed stays in the
    /// outbox, what is not acknowledged comes again. Only where there has been one from the start.
    ///
    /// - Throws: `broken` where there is no thread for it (then tickets are not shared until the next change), or no broker to
    ///   replace (then nothing has changed).
    public func use(_ setup: BrokerSetup) throws(BacklogError) {
        guard let old = current(), let new = makeCourier(setup) else {
            throw BacklogError(.broken, "a broker is taken up at the start only")
        }
        old.stop()
        // In one step: what the watch tells meanwhile comes after what it told before.
        looks.withLock { looks in
            courier.withLock { $0 = new }
            for (service, isWell) in looks { new.tell(service, isWell: isWell) }
        }
        try new.start()
    }

    private func current() -> (any TicketCourier)? {
        courier.withLock { $0 }
    }

    // MARK: For clients

    /// Keeps a request. Durable when it returns.
    ///
    /// - Parameter answerBytes: about how large its answer will be: so much place is kept for it.
    /// - Throws: `full` when a bound is reached or the disk takes nothing. The client is to be told that nothing is
    ///   kept; where the disk fails after the commit was written there may be a ticket whose id nobody knows.
    public func accept(
        service: String, request: [UInt8], answerBytes: Int
    ) throws(BacklogError) -> Ticket {
        FailPoint.acceptBefore.pass()
        let id = TicketID()
        do {
            let ticket = try store.change {
                [now] ledger throws(StoreFault) -> Result<Ticket, BacklogError> in
                let now = now()
                let accepted = try ledger.apply(
                    .accept(id, service: service, request: request, answerBytes: answerBytes),
                    to: id, now: now)
                FailPoint.acceptWritten.pass()
                if let record = accepted.after { return .success(ledger.ticket(record, now: now)) }
                for case .refuse(let reason) in accepted.actions {
                    return .failure(BacklogError(.full, "the backlog is full: \(reason)"))
                }
                return .failure(BacklogError(.broken, "a new ticket was not kept"))
            }.get()
            FailPoint.acceptCommitted.pass()
            return ticket
        } catch {
            if error.code == .full { board.refused(error.message) }
            throw error
        }
    }

    /// A ticket; nil where it is unknown or deleted.
    public func ticket(_ id: TicketID) throws(BacklogError) -> Ticket? {
        try store.read { [now] ledger throws(StoreFault) in try ledger.ticket(id, now: now()) }
    }

    /// A ticket, as soon as its state is another one, or `within` is over.
    public func ticket(
        _ id: TicketID, changedFrom state: TicketState, within: Duration
    ) throws(BacklogError) -> Ticket? {
        let end = MonotonicClock.now + min(within.wholeNanoseconds, Int64.max / 2)
        let bell = board.watch.watch(id)
        defer { board.watch.leave(id, bell) }
        while true {
            let seen = bell.update(waking: .none) { $0 }
            let ticket = try ticket(id)
            guard ticket?.state == state, MonotonicClock.now < end, !board.watch.isEnded else {
                return ticket
            }
            _ = bell.wait(until: end) { $0 != seen ? true : nil }
        }
    }

    /// An answered or failed ticket with its request and answer; nil where there is none.
    public func answer(
        _ id: TicketID
    ) throws(BacklogError) -> (ticket: Ticket, request: [UInt8], answer: [UInt8])? {
        try store.read { [now] ledger throws(StoreFault) in try ledger.answer(id, now: now()) }
    }

    /// A ticket with its request, as long as that is kept; nil where there is none: it is unknown, deleted or expired.
    public func request(
        _ id: TicketID
    ) throws(BacklogError) -> (ticket: Ticket, request: [UInt8])? {
        try store.read { [now] ledger throws(StoreFault) in try ledger.request(id, now: now()) }
    }

    /// Nobody is to wait for a change of a ticket any more: who does returns at once with the ticket as it is, later
    /// calls do not wait. For a gateway that is about to stop.
    public func endWaits() {
        board.watch.end()
    }

    /// Forgets a ticket, here and at all gateways of the tree.
    ///
    /// - Returns: false where there is none, or it has expired.
    public func delete(_ id: TicketID) throws(BacklogError) -> Bool {
        let isDeleted = try store.change { [now] ledger throws(StoreFault) in
            let isDeleted = try ledger.delete(id, now: now())
            FailPoint.deleteWritten.pass()
            return isDeleted
        }
        FailPoint.deleteCommitted.pass()
        return isDeleted
    }

    // MARK: For the gateway

    /// What the health watch saw when it looked at a daemon: to be told after each look, not only when it changed. Tickets
    /// are processed from a look that found it well until one that did not, or until it can't be reached.
    public func tell(_ service: String, isWell: Bool) {
        replayer.tell(service, isWell: isWell)
        looks.withLock { looks in
            looks[service] = isWell
            current()?.tell(service, isWell: isWell)
        }
    }

    /// Own tickets wait for a daemon: it is worth looking often whether it is back.
    public func hasWork(_ service: String) -> Bool {
        board.waiting(service) > 0
    }

    /// The figures, from memory.
    public func figures() -> BacklogFigures {
        board.current()
    }

    // MARK: For the operator

    /// Tickets, oldest first.
    ///
    /// - Parameters:
    ///   - state: nil: all but deleted ones.
    ///   - after: the last one of the page before.
    ///   - limit: 1…1,000.
    public func list(
        state: TicketState?, after: TicketID?, limit: Int
    ) throws(BacklogError) -> [Ticket] {
        let limit = min(max(limit, 1), 1_000)
        var found: [Ticket] = []
        var place = try store.read { ledger throws(StoreFault) in try ledger.place(after: after) }
        while let from = place, found.count < limit {
            let wanted = limit - found.count
            let part = try store.read { [now] ledger throws(StoreFault) in
                let now = now()
                return try ledger.scan(
                    after: from, countMax: wanted, rowsMax: Self.scanMax
                ) { record -> Ticket? in
                    guard state == .deleted || record.state != .deleted else { return nil }
                    let ticket = ledger.ticket(record, now: now)
                    return state == nil || ticket.state == state ? ticket : nil
                }
            }
            found += part.found
            place = part.next
        }
        return found
    }

    /// Has a ticket processed at once that failed, or pauses after a failure; its failures are counted anew.
    ///
    /// - Returns: false where there is none, or it has another state.
    public func retry(_ id: TicketID) throws(BacklogError) -> Bool {
        try store.change { [now] ledger throws(StoreFault) in
            let before = try ledger.record(id)
            let isWaiting = before?.state == .waiting
            let isPaused = before.map { $0.failures > 0 || $0.notBefore > 0 } ?? false
            let after = try ledger.apply(.retry, to: id, now: now()).after
            FailPoint.retryWritten.pass()
            return after?.state == .waiting && (!isWaiting || isPaused)
        }
    }

    /// Forgets all tickets in these states, as `delete` does.
    ///
    /// - Returns: how many.
    public func purge(_ states: Set<TicketState>) throws(BacklogError) -> Int {
        let states = states.subtracting([.deleted, .expired])
        var total = 0
        var place: Int64? = .min
        while let from = place {
            let part = try store.change { [now] ledger throws(StoreFault) in
                let now = now()
                let part = try ledger.scan(
                    after: from, countMax: Self.purgeMax, rowsMax: Self.scanMax
                ) { record -> TicketID? in
                    states.contains(record.state) ? record.id : nil
                }
                for id in part.found { _ = try ledger.delete(id, now: now) }
                return part
            }
            total += part.found.count
            place = part.next
        }
        return total
    }

    /// How many are forgotten in one transaction, and how many rows are looked at at a time, so that others do not wait
    /// for long.
    private static let purgeMax = 256
    private static let scanMax = 5_000

    private static let courier: MakeCourier = { setup, services, post, log in
        Courier(setup, services: services, post: post, log: log)
    }
}
