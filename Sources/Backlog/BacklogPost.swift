internal import Threads

/// The courier's view of the backlog.
final class BacklogPost: CourierPost {
    private let store: TicketStore
    private let replayer: Replayer
    private let board: ChangeBoard
    private let now: @Sendable () -> Int64

    init(
        _ store: TicketStore, _ replayer: Replayer, _ board: ChangeBoard,
        now: @escaping @Sendable () -> Int64
    ) {
        self.store = store
        self.replayer = replayer
        self.board = board
        self.now = now
    }

    var gatewayID: GatewayID { store.me }

    // MARK: Telling others

    func outbox(
        after mark: Int64?, countMax: Int, bytesMax: Int
    ) throws(BacklogError) -> [OutboxItem] {
        try store.read { [now] ledger throws(StoreFault) in
            try ledger.outbox(after: mark, countMax: countMax, bytesMax: bytesMax, now: now())
        }
    }

    func waitForOutbox(until monotonic: Int64) {
        board.outbox.wait(until: monotonic)
    }

    func nudge() {
        board.outbox.ring()
    }

    func told(_ confirmed: [(id: TicketID, revision: Int64)]) throws(BacklogError) {
        guard !confirmed.isEmpty else { return }
        try store.change { [now] ledger throws(StoreFault) in
            let now = now()
            for (id, revision) in confirmed {
                try ledger.apply(.told(revision: revision), to: id, now: now)
            }
            FailPoint.toldWritten.pass()
        }
        FailPoint.toldCommitted.pass()
    }

    // MARK: Hearing others

    func merge(_ news: [TicketNews]) throws(BacklogError) {
        guard !news.isEmpty else { return }
        try store.change { [now] ledger throws(StoreFault) in
            let now = now()
            for news in news { try ledger.apply(.merge(news), to: news.id, now: now) }
            FailPoint.mergeWritten.pass()
        }
        FailPoint.mergeCommitted.pass()
    }

    func offer(
        _ news: TicketNews, done: @escaping @Sendable (OfferOutcome) -> Void
    ) throws(BacklogError) {
        guard replayer.takesOffers(news.service) else { return done(.released) }
        let kept = Monitor<(record: TicketRecord?, isDropped: Bool)>((nil, false))
        let job = TicketStore.Job(
            isChange: true,
            run: { [now] ledger throws(StoreFault) in
                let now = now()
                let merged = try ledger.apply(.merge(news), to: news.id, now: now)
                // There is no place for it here: another gateway may have some.
                let isDropped =
                    merged.actions.contains(.count(.dropped)) && news.state == .waiting
                    && now < news.expires
                kept.update(waking: .none) { $0 = (merged.after, isDropped) }
            },
            finish: { [now, replayer] desk, error in
                guard error == nil else { return done(.released) }
                FailPoint.offerCommitted.pass()
                let (record, isDropped) = kept.update(waking: .none) { $0 }
                // The daemon may have gone meanwhile, and what was offered for it was released.
                guard !isDropped, replayer.takesOffers(news.service) else { return done(.released) }
                desk.offer(news.id, record, now: now(), done: done)
                replayer.wake(news.service)
            })
        try store.submit(job)
    }

    func withdrawOffers() {
        let job = TicketStore.Job(
            isChange: false, run: { _ throws(StoreFault) in },
            finish: { desk, _ in desk.releaseAll() })
        // Stopped: the store has released them. Full: they are released with the next ones.
        try? store.submit(job)
    }

    func deadLetter(_ news: TicketNews, isFailure: Bool) throws(BacklogError) -> TicketNews? {
        try store.change { [now] ledger throws(StoreFault) -> TicketNews? in
            let now = now()
            try ledger.apply(.merge(news), to: news.id, now: now)
            if isFailure {
                try ledger.apply(
                    .failedElsewhere(failures: news.failures), to: news.id, now: now)
            }
            FailPoint.mergeWritten.pass()
            guard let record = try ledger.record(news.id) else {
                // There is no place for it here: it goes on with what it says itself.
                guard news.state == .waiting, now < news.expires else { return nil }
                var again = news
                again.failures += isFailure ? 1 : 0
                return again
            }
            guard record.state == .waiting, now < record.expires else { return nil }
            return try ledger.news(news.id)
        }
    }

    func report(_ change: (inout BrokerFigures) -> Void) {
        board.report(change)
    }
}
