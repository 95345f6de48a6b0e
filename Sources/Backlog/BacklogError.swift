/// Why the backlog did not do what it was asked for. Nothing is half-done then: it was not done at all, or, where the
/// disk failed in the very end of a commit, wholly and unknown to the caller.
public struct BacklogError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What the caller can do about it.
    public enum Code: Sendable, Hashable {
        /// A bound is reached, or the disk is full: later there may be place.
        case full
        /// The store can't be used; the message says why.
        case broken
        /// It has not been started, or has been stopped.
        case stopped
    }

    /// What the caller can do about it.
    public let code: Code
    /// For the operator, one line.
    public let message: String

    /// An error with a message for the operator.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Whether the same call may succeed later without anybody's doing.
    public var isRetriable: Bool { code == .full }

    /// The message.
    public var description: String { message }

    static let stopped = BacklogError(.stopped, "the backlog is stopped")
}
