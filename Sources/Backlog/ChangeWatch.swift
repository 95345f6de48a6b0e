internal import Synchronization
internal import Threads

/// Callers that wait until a ticket changes.
final class ChangeWatch: Sendable {
    /// Grows with each change of the ticket.
    typealias Bell = Monitor<Int>

    private let bells = Mutex<[TicketID: [Bell]]>([:])
    private let ended = Atomic<Bool>(false)

    /// Nobody is to wait any more.
    var isEnded: Bool { ended.load(ordering: .sequentiallyConsistent) }

    /// Who waits returns, who comes later does not wait.
    func end() {
        ended.store(true, ordering: .sequentiallyConsistent)
        wakeAll()
    }

    /// A bell that rings with each change from now on.
    func watch(_ id: TicketID) -> Bell {
        let bell = Bell(0)
        bells.withLock { $0[id, default: []].append(bell) }
        return bell
    }

    func leave(_ id: TicketID, _ bell: Bell) {
        bells.withLock { bells in
            bells[id]?.removeAll { $0 === bell }
            if bells[id]?.isEmpty == true { bells[id] = nil }
        }
    }

    /// They have changed, durably.
    func changed(_ changes: [TicketChange]) {
        let found = bells.withLock { bells in
            bells.isEmpty ? [] : changes.flatMap { bells[$0.id] ?? [] }
        }
        for bell in found { bell.update(waking: .all) { $0 += 1 } }
    }

    /// Everybody looks again.
    func wakeAll() {
        for bell in bells.withLock({ Array($0.values.joined()) }) {
            bell.update(waking: .all) { $0 += 1 }
        }
    }
}
