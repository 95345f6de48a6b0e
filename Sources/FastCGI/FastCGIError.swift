internal import Glibc

/// Why a responder could not be started.
public struct FastCGIError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What failed; a closed set.
    public enum Code: Sendable, Equatable {
        /// `FCGX_Init` refused.
        case library
        /// The descriptor given is no stream socket that listens.
        case notListening
        /// The responder was started before.
        case alreadyStarted
        /// The system refused a resource: epoll, a descriptor, memory, a thread.
        case system
    }

    /// What failed.
    public let code: Code
    /// The call that failed, for the operator.
    public let call: String
    /// The `errno` of that call, 0 where there is none.
    public let systemError: CInt

    /// Whether the same start may succeed later: resources come back, a wrong descriptor does not.
    public var isRetriable: Bool { code == .system }

    /// One line for the operator.
    public var description: String {
        let what =
            switch code {
            case .library: "libfcgi can't be set up"
            case .notListening: "the descriptor is no listening stream socket"
            case .alreadyStarted: "the responder was started before"
            case .system: "the system refused"
            }
        guard systemError != 0 else { return "\(what) (\(call))" }
        return "\(what) (\(call): \(String(cString: strerror(systemError))))"
    }

    init(_ code: Code, _ call: String, systemError: CInt = 0) {
        self.code = code
        self.call = call
        self.systemError = systemError
    }
}
