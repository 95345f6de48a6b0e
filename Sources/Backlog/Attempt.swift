/// What came of asking a daemon for a ticket's answer.
public enum Attempt: Sendable {
    /// An answer, which ends the ticket; a client's mistake is one, too.
    case answered([UInt8])
    /// The daemon answered with a failure of its own; the bytes are what the client would see of it. Counted: the
    /// ticket is tried again with a back-off, and ends as failed with the last of these.
    case failed([UInt8])
    /// The daemon could not be reached, or was lost within the call. No failure of the ticket: it waits for the daemon.
    case unavailable
    /// The daemon has too much to do. The replay pauses shortly.
    case busy
    /// This gateway can't read the request: a gateway of a later version made it. No failure of the ticket: it waits on,
    /// and one that was offered goes back to those who can read it.
    case notForUs
}
