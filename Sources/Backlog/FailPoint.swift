private import Glibc
private import Synchronization

/// Places in a ticket's life where a test has the process kill itself (SIGKILL: nothing is flushed, nobody is told), to
/// see that a restart loses nothing. They do nothing unless armed, by the gateway from `PASARELA_FAIL_POINT`.
public enum FailPoint: String, Sendable, CaseIterable {
    /// A request is about to become a ticket.
    case acceptBefore
    /// Its row is written, not committed.
    case acceptWritten
    /// It is committed, and nobody knows.
    case acceptCommitted
    /// The gateway is about to send the 202.
    case replyBefore
    /// A shared transaction is complete, its commit is next.
    case commitBefore
    /// It is durable.
    case commitAfter
    /// A waiting ticket is taken up.
    case replayTaken
    /// The daemon is about to be asked.
    case replayCallBefore
    /// It has answered; nothing is kept yet.
    case replayCallAfter
    /// The answer is written, not committed.
    case outcomeWritten
    /// It is committed.
    case outcomeCommitted
    /// A ticket's deletion is written, not committed.
    case deleteWritten
    /// It is committed.
    case deleteCommitted
    /// A ticket's end by time is written, not committed.
    case expiryWritten
    /// A failed ticket's new round is written, not committed.
    case retryWritten
    /// What others must hear is read from the store.
    case outboxRead
    /// The first message of a batch is about to be published.
    case publishBefore
    /// All messages of a batch are published, none is confirmed.
    case publishAfter
    /// All are confirmed, and the store does not know.
    case confirmAfter
    /// It is written that they are told, not committed.
    case toldWritten
    /// It is committed.
    case toldCommitted
    /// A message has come, and nothing is done.
    case deliveryReceived
    /// News of another gateway are written, not committed.
    case mergeWritten
    /// They are committed, not acknowledged.
    case mergeCommitted
    /// A ticket of the work queue is known here, nobody works on it.
    case offerCommitted
    /// A message is about to be acknowledged.
    case acknowledgeBefore
    /// It is.
    case acknowledgeAfter
    /// A message is about to be rejected or requeued.
    case rejectBefore
    /// A dead letter is published again, not acknowledged.
    case deadLetterPublished

    /// Where the process dies, as `armedPoint` and how many passings before. Written once, before there are threads
    /// that pass.
    private static let armed = Armed()

    /// Whether a text names a passing: `name` or `name:N`, N from 1.
    public static func isPassing(_ text: String) -> Bool { passing(text) != nil }

    private static func passing(_ text: String) -> (point: FailPoint, number: Int)? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard let point = parts.first.flatMap({ FailPoint(rawValue: String($0)) }),
            parts.count <= 2,
            let number = parts.count == 2 ? Int(parts[1]) : 1, number >= 1
        else { return nil }
        return (point, number)
    }

    /// Arms one: `name` or `name:N`, the N-th passing from 1. False where there is no such name or number.
    public static func arm(_ text: String) -> Bool {
        guard let passing = passing(text) else { return false }
        armed.left.store(passing.number, ordering: .relaxed)
        armed.place.store(passing.point.place, ordering: .releasing)
        return true
    }

    /// Dies here if armed and it is the time.
    @inline(__always)
    public func pass() {
        guard Self.armed.place.load(ordering: .acquiring) != Armed.nowhere else { return }
        passArmed()
    }

    private func passArmed() {
        guard Self.armed.place.load(ordering: .acquiring) == place else { return }
        if Self.armed.left.subtract(1, ordering: .relaxed).newValue == 0 {
            kill(getpid(), SIGKILL)
        }
    }

    private var place: Int { Self.allCases.firstIndex(of: self) ?? Armed.nowhere }
}

private final class Armed: Sendable {
    static let nowhere = -1
    let place = Atomic<Int>(nowhere)
    let left = Atomic<Int>(0)
}
