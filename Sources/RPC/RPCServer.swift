internal import Threads

/// A gRPC server on a listening Unix socket: plain threads, one handler a method.
///
/// A method that it does not have is answered `unimplemented`; an error that a handler throws goes
/// to the client with its code and message.
public final class RPCServer: Sendable {
    private enum Phase {
        case idle
        case starting
        case running(RunningServer)
        case stopping
        case stopped
    }

    private let handlers: [String: RPCHandler]
    private let configuration: RPCServerConfiguration
    private let phase = Monitor(Phase.idle)

    /// Starts nothing yet.
    ///
    /// - Parameter handlers: by method, `/package.Service/Method`.
    public init(
        handlers: [String: RPCHandler],
        configuration: RPCServerConfiguration = RPCServerConfiguration()
    ) {
        precondition(handlers.keys.allSatisfy { $0.hasPrefix("/") }, "methods begin with a slash")
        precondition(configuration.unaryThreads > 0 && configuration.streamThreads > 0)
        self.handlers = handlers
        self.configuration = configuration
    }

    deinit {
        stop(within: .zero)
    }

    /// Serves on `listener`, a bound and listening Unix stream socket, and returns; to be called
    /// once.
    ///
    /// The descriptor is the server's from here on, whatever happens: it is closed at the end, but
    /// neither shut down (another process may hold it) nor its path removed.
    ///
    /// - Throws: `resourceExhausted` if the system gives no thread, `invalidArgument` for a
    ///   descriptor that is none.
    public func start(listeningOn listener: CInt) throws(RPCError) {
        let isFirst = phase.update(waking: .all) { phase in
            guard case .idle = phase else { return false }
            phase = .starting
            return true
        }
        precondition(isFirst, "a server is started once")
        let running = RunningServer(handlers: handlers, configuration: configuration)
        do {
            try running.start(listeningOn: listener)
        } catch {
            phase.update(waking: .all) { $0 = .stopped }
            throw error
        }
        phase.update(waking: .all) { $0 = .running(running) }
    }

    /// Takes no more connections and calls, lets the calls under way finish, cancels those that
    /// have not after `bound`, and returns when all threads have ended: a handler that does not
    /// heed `RPCServerCall.isCancelled` delays that, and must not call this itself. Once stopped it
    /// stays so; a second call waits for the first.
    public func stop(within bound: Duration) {
        let running: RunningServer?? = phase.wait { phase in
            switch phase {
            case .idle, .stopped:
                phase = .stopped
                return .some(nil)
            case .starting, .stopping: return nil
            case .running(let running):
                phase = .stopping
                return running
            }
        }
        guard case .some(.some(let running)) = running else { return }
        running.stop(within: bound)
        phase.update(waking: .all) { $0 = .stopped }
    }
}
