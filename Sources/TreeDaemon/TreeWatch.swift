internal import Logging
private import Service
private import Synchronization
private import Systemd

/// Says in one line that the tree is not there, and in one that it is back: as requests meet it.
final class TreeWatch: Sendable {
    private let log: Logger
    private let isMissed = Atomic(false)

    /// A tree that nobody has missed.
    init(_ log: Logger) {
        self.log = log
    }

    /// A request was answered from it.
    func isThere() {
        // Read first: this is on the way of every answer.
        guard isMissed.load(ordering: .relaxed),
            isMissed.exchange(false, ordering: .relaxed)
        else { return }
        log.notice("the tree is there again", metadata: .event(.treeBack))
    }

    /// It could not be opened.
    ///
    /// - Parameter reason: with its path, for the line.
    func isAbsent(_ reason: String) {
        guard !isMissed.exchange(true, ordering: .relaxed) else { return }
        log.error("the tree is not there: \(reason)", metadata: .event(.treeAbsent))
    }
}
