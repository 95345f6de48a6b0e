internal import Logging
internal import Threads

/// Has waiting tickets answered while their daemon is well: a few threads for each service.
final class Replayer: Sendable {
    private struct State: Sendable {
        var gates: [String: ServiceGate]
        var isStopping = false
    }

    private let store: TicketStore
    private let services: [String]
    private let threadsPerService: Int
    private let process: Backlog.Process
    private let now: @Sendable () -> Int64
    private let log: Logger
    private let state: Monitor<State>
    private let threads = Monitor<[WorkerThread]>([])

    init(
        _ store: TicketStore, services: [String], threads: Int, rate: Int,
        now: @escaping @Sendable () -> Int64, log: Logger, process: @escaping Backlog.Process
    ) {
        self.store = store
        self.services = services
        threadsPerService = max(threads, 1)
        self.process = process
        self.now = now
        self.log = log
        var gates: [String: ServiceGate] = [:]
        for service in services {
            gates[service] = ServiceGate(rate: rate, now: MonotonicClock.now)
        }
        state = Monitor(State(gates: gates))
    }

    func start() throws(BacklogError) {
        for service in services {
            for _ in 0..<threadsPerService {
                do {
                    let thread = try WorkerThread(name: "replay-\(service)") { self.run(service) }
                    threads.update(waking: .none) { $0.append(thread) }
                } catch {
                    throw BacklogError(
                        .broken, "the replay: \(error)")
                }
            }
        }
    }

    /// Returns when the calls under way have ended.
    func stop() {
        state.update(waking: .all) { $0.isStopping = true }
        let running = threads.update(waking: .none) { threads in
            defer { threads = [] }
            return threads
        }
        for thread in running { thread.join() }
    }

    /// What the gateway's health watch has seen.
    func tell(_ service: String, isWell: Bool) {
        let isNew = state.update(waking: .all) { state in
            state.gates[service]?.told(isWell: isWell) ?? false
        }
        if isNew, !isWell { release(service) }
    }

    /// Something came that may be processed.
    func wake(_ service: String) {
        change(service) { $0.came() }
    }

    /// Something went: there may be place for what is held.
    func thereIsPlace() {
        state.update(waking: .all) { state in
            for service in services { state.gates[service]?.thereIsPlace() }
        }
    }

    /// Tickets of others are processed.
    func takesOffers(_ service: String) -> Bool {
        state.update(waking: .none) { state in
            !state.isStopping && state.gates[service]?.takesOffers(now: MonotonicClock.now) ?? false
        }
    }

    private func isOpen(_ service: String) -> Bool {
        state.update(waking: .none) { state in
            !state.isStopping && state.gates[service]?.isOpen(now: MonotonicClock.now) ?? false
        }
    }

    // MARK: The threads

    private func run(_ service: String) {
        while let allowed = waitToTake(service) {
            let (tickets, isSure) = take(service, countMax: allowed)
            if !isSure {
                // The store says what is wrong with it to those who wait for it.
                change(service) { $0.busy(jitter: 1, now: MonotonicClock.now) }
            }
            for (place, ticket) in tickets.enumerated() {
                guard isOpen(service), attempt(service, ticket) else {
                    putBack(service, tickets[place...].map(\.id))
                    break
                }
            }
        }
    }

    /// - Returns: how many; nil when it is time to end.
    private func waitToTake(_ service: String) -> Int? {
        while true {
            let (step, seen, isStopping) = state.update(waking: .none) { state in
                (
                    state.gates[service]?.step(now: MonotonicClock.now) ?? .wait(until: nil),
                    state.gates[service]?.version, state.isStopping
                )
            }
            if isStopping { return nil }
            switch step {
            case .take(let count):
                return count
            case .wait(let time):
                _ = state.wait(until: time) { state in
                    state.isStopping || state.gates[service]?.version != seen ? true : nil
                }
            }
        }
    }

    private func take(
        _ service: String, countMax: Int
    ) -> (tickets: [TakenTicket], isSure: Bool) {
        let seen = state.update(waking: .none) { $0.gates[service]?.version ?? 0 }
        do {
            let (tickets, delay) = try store.read {
                [now, threadsPerService] ledger throws(StoreFault) in
                let now = now()
                // A few tickets are shared out among the threads.
                let share = (ledger.totals.waiting[service] ?? 0) / threadsPerService
                let tickets = try ledger.desk.take(
                    service, countMax: min(countMax, max(share, 1)), from: ledger, now: now)
                guard tickets.isEmpty else { return (tickets, Int64?.none) }
                let due = try ledger.nextDue(service, now: now)
                let delay = due.map { min(($0 - now), 1_000) * 1_000_000 }
                return (tickets, delay ?? (ledger.desk.hasOffered(service) ? 1_000_000_000 : nil))
            }
            if !tickets.isEmpty { FailPoint.replayTaken.pass() }
            change(service, waking: .none) { gate in
                gate.took(
                    tickets.count, of: countMax, seen: seen, delay: delay,
                    now: MonotonicClock.now)
            }
            return (tickets, true)
        } catch {
            return ([], false)
        }
    }

    /// - Returns: whether it was answered, so that the next one may be tried.
    private func attempt(_ service: String, _ ticket: TakenTicket) -> Bool {
        FailPoint.replayCallBefore.pass()
        let outcome = process(service, ticket.request, ticket.id)
        FailPoint.replayCallAfter.pass()
        switch outcome {
        case .answered(let answer):
            change(service, waking: .none) { $0.answered() }
            keep(.answered(answer), of: ticket.id, service)
            return true
        case .failed(let answer):
            change(service, waking: .none) { $0.answered() }
            keep(.failed(answer, jitter: .random(in: 0...1)), of: ticket.id, service)
            return true
        case .unavailable:
            tell(service, isWell: false)
            return false
        case .busy:
            change(service) { gate in
                gate.busy(jitter: Double.random(in: 0...1), now: MonotonicClock.now)
            }
            return false
        case .notForUs:
            change(service, waking: .none) { $0.answered() }
            keep(.notForUs, of: ticket.id, service)
            return true
        }
    }

    // MARK: What the store is told

    /// Does not wait for the commit: the next call to the daemon goes on beside it.
    private func keep(_ outcome: TicketEvent, of id: TicketID, _ service: String) {
        let result = Monitor<(before: TicketRecord?, isHeld: Bool)>((nil, false))
        let job = TicketStore.Job(
            isChange: true,
            run: { [now] ledger throws(StoreFault) in
                let (before, _, actions) = try ledger.apply(outcome, to: id, now: now())
                result.update(waking: .none) { $0 = (before, actions.contains(.hold)) }
                FailPoint.outcomeWritten.pass()
            },
            finish: { desk, error in
                if let error {
                    // Where the disk takes nothing it is asked again later.
                    self.hold(service, because: error.message)
                    desk.answer(id, .released)
                } else {
                    FailPoint.outcomeCommitted.pass()
                    let (before, isHeld) = result.update(waking: .none) { $0 }
                    self.settle(outcome, of: id, before, isHeld: isHeld, service, desk)
                }
                desk.putBack(id, isOffered: self.takesOffers(service))
            })
        hand(in: job)
    }

    /// What is kept in memory of a committed outcome.
    private func settle(
        _ outcome: TicketEvent, of id: TicketID, _ before: TicketRecord?, isHeld: Bool,
        _ service: String, _ desk: TicketsInHand
    ) {
        if case .notForUs = outcome {
            guard desk.putAside(id) else { return }
            log.warning(
                "A ticket's request is of a later version: it waits for a gateway that can read it.",
                metadata: ["TICKET_ID": "\(id)", "SERVICE_PEER_NAME": "\(service)"])
        } else if !isHeld {
            var isAgain = false
            change(service, waking: .none) { isAgain = $0.kept() }
            guard isAgain else { return }
            wake(service)
            log.notice("Answers are kept again.", metadata: ["SERVICE_PEER_NAME": "\(service)"])
        } else if before?.isOwn == true {
            desk.hold(id)
            hold(service, because: "the backlog has no place for it")
        } else {
            // It is kept by its owner, and may find place there. The others go on.
            desk.answer(id, .released)
            change(service, waking: .none) { $0.offersHeld(now: MonotonicClock.now) }
            desk.release(service)
        }
    }

    private func hold(_ service: String, because reason: String) {
        var isNew = false
        change(service) { isNew = $0.held(now: MonotonicClock.now) }
        guard isNew else { return }
        log.warning(
            "An answer can't be kept: its daemon is asked again later.",
            metadata: ["SERVICE_PEER_NAME": "\(service)", "ERROR": "\(reason)"])
    }

    private func putBack(_ service: String, _ ids: [TicketID]) {
        let job = TicketStore.Job(
            isChange: false, run: { _ throws(StoreFault) in },
            finish: { desk, _ in
                let isOffered = self.takesOffers(service)
                for id in ids { desk.putBack(id, isOffered: isOffered) }
                self.wake(service)
            })
        hand(in: job)
    }

    private func release(_ service: String) {
        let job = TicketStore.Job(
            isChange: false,
            run: { _ throws(StoreFault) in },
            // A store that refuses keeps nobody's delivery.
            finish: { desk, _ in desk.release(service) })
        hand(in: job)
    }

    /// Waits for a place in the store's queue if it must: what is in hand has to be put back.
    private func hand(in job: TicketStore.Job) {
        while true {
            do {
                try store.submit(job)
                return
            } catch {
                guard error.code == .full else { return }
                _ = state.wait(until: MonotonicClock.now + 10_000_000) { _ in Bool?.none }
            }
        }
    }

    private func change(
        _ service: String, waking: Monitor<State>.Waking = .all,
        _ body: (inout ServiceGate) -> Void
    ) {
        state.update(waking: waking) { state in
            guard var gate = state.gates[service] else { return }
            body(&gate)
            state.gates[service] = gate
        }
    }
}
