/// Gathers the entries of a stream and sends them piece by piece: when they are enough, when the first of them has waited
/// long enough, and now and then a piece without entries, so that who waits knows that there is work going on.
public final class PieceSender {
    /// Entries in a piece.
    public static let count = 512
    /// How long entries wait for others to go out with.
    public static let delay = Duration.milliseconds(50)
    /// After how long without entries an empty piece goes out.
    public static let signOfLife = Duration.milliseconds(300)

    /// What is gathered, and all that is to be said in the end.
    public var page = EntryPage()
    /// The reader has gone.
    private var hasEnded = false
    private let send: (EntryBatch) -> Bool
    private var sent = ContinuousClock.now

    /// - Parameter send: takes a piece; returns false to end the stream.
    public init(send: @escaping (EntryBatch) -> Bool) {
        self.send = send
    }

    /// To be asked behind each entry: sends what there is if it is enough; false: the reader has gone.
    public func goesOn() -> Bool {
        if page.entries.count >= Self.count { sendNow() } else { sendIfDue() }
        return !hasEnded
    }

    /// To be called now and then while there may be no entries.
    public func sendIfDue() {
        let wait = page.entries.count > 0 ? Self.delay : Self.signOfLife
        if ContinuousClock.now - sent >= wait { sendNow() }
    }

    /// Sends what is left.
    public func sendRest() {
        if page.entries.count > 0 { sendNow() }
    }

    private func sendNow() {
        guard !hasEnded else { return }
        hasEnded = !send(page.entries)
        page.entries = EntryBatch()
        sent = .now
    }
}
