internal import Glibc
internal import Synchronization
internal import Threads

/// Answers FastCGI requests (FastCGI 1.0, role responder) on threads of its own.
///
/// Each request is one call of the handler, on one of `workers` threads; so the handler may block.
/// The connections that the web server keeps open between requests cost no thread.
///
/// The peer may send what it likes (`RequestRecords`), but what it says of the client is believed:
/// let the socket's file permissions keep everybody but the web server out.
public final class Responder: Sendable {
    private enum Lifecycle {
        case new
        case running(Connections, [WorkerThread])
        case stopped
    }

    private let configuration: ResponderConfiguration
    private let refused: @Sendable (UInt32) -> Void
    private let handler: @Sendable (Request) -> Response
    private let lifecycle = Mutex(Lifecycle.new)

    /// Opens and starts nothing yet. `handler` is called on several threads at once; `refused` is told of each
    /// connection that was closed because its user is none of the configuration's `peers`, and must not block.
    public init(
        configuration: ResponderConfiguration = ResponderConfiguration(),
        refused: @escaping @Sendable (UInt32) -> Void = { _ in },
        handler: @escaping @Sendable (Request) -> Response
    ) {
        self.configuration = configuration
        self.refused = refused
        self.handler = handler
    }

    /// Starts the threads, and returns at once. `stop` must be called in the end.
    ///
    /// - Parameter listener: a bound stream socket (Unix or TCP) that listens. Its ownership is
    ///   taken, also when this throws; it is closed in the end, its path is not unlinked.
    public func start(listeningOn listener: CInt) throws(FastCGIError) {
        // A throw out of `withLock` would lose its type.
        let failure: FastCGIError? = lifecycle.withLock { lifecycle in
            guard case .new = lifecycle else {
                close(listener)
                return FastCGIError(.alreadyStarted, "start")
            }
            do throws(FastCGIError) {
                lifecycle = try launch(listener)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    /// Stops accepting at once, closes the idle connections, lets the requests that have come in be
    /// answered until `bound` is over, then shuts their sockets; returns when its threads have
    /// ended.
    ///
    /// What a handler does is not interrupted, only waited for. A second call does nothing, but
    /// returns no earlier than the first. Not to be called by a handler.
    public func stop(within bound: Duration) {
        let deadline = ContinuousClock.now + bound
        // Held while waiting, on purpose: this is what a second call waits for, and the lock
        // guards nothing that a worker needs.
        lifecycle.withLock { lifecycle in
            if case .running(let connections, let threads) = lifecycle {
                connections.drain()
                connections.awaitDrained(until: deadline)
                connections.endWaiting()
                for thread in threads { thread.join() }
            }
            lifecycle = .stopped
        }
    }

    private func launch(_ listener: CInt) throws(FastCGIError) -> Lifecycle {
        let connections: Connections
        do throws(FastCGIError) {
            try FastCGILibrary.setUp()
        } catch {
            close(listener)
            throw error
        }
        connections = try Connections(
            listener: listener, configuration: configuration, refused: refused)
        var threads: [WorkerThread] = []
        do throws(FastCGIError) {
            threads.append(
                try start("\(configuration.threadName)-0") { connections.tellFarewells() })
            for number in 1...configuration.workers {
                let pipe = try CheckedPipe()
                threads.append(
                    try start("\(configuration.threadName)-\(number)") {
                        [configuration, handler] in
                        var worker = Worker(
                            connections: connections, pipe: pipe, configuration: configuration,
                            handler: handler)
                        worker.run()
                    })
            }
        } catch {
            connections.drain()
            connections.endWaiting()
            for thread in threads { thread.join() }
            throw error
        }
        return .running(connections, threads)
    }

    private func start(
        _ name: String, _ body: @escaping @Sendable () -> Void
    ) throws(FastCGIError) -> WorkerThread {
        do throws(WorkerThread.Failure) {
            return try WorkerThread(name: name, stackBytes: configuration.stackBytes, body)
        } catch {
            throw FastCGIError(.system, error.call, systemError: error.errorNumber)
        }
    }
}
