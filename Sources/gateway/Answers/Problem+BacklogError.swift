import Backlog

extension Problem {
    /// What a failure of the backlog means to whoever asks for a ticket.
    init(_ error: BacklogError) {
        switch error.code {
        case .full: self.init(.backlogFull)
        case .stopped, .broken: self.init(.serviceAbsent)
        }
        retryAfter = 1
        cause = "backlog: \(error.message)"
    }
}
