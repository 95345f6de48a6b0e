internal import CLinux
internal import Glibc

/// A named POSIX thread that runs one function and is joined.
struct WorkerThread: Sendable {
    private let thread: pthread_t

    /// Carries the function and the name to the thread.
    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts `body`. Signals of the process go to other threads, never to this one: it blocks in
    /// calls that must not be interrupted.
    init(name: String, stackBytes: Int, body: @escaping @Sendable () -> Void) throws(FastCGIError) {
        var attributes = pthread_attr_t()
        var failure = pthread_attr_init(&attributes)
        guard failure == 0 else {
            throw FastCGIError(.system, "pthread_attr_init", systemError: failure)
        }
        defer { pthread_attr_destroy(&attributes) }
        failure = pthread_attr_setstacksize(&attributes, stackBytes)
        guard failure == 0 else {
            throw FastCGIError(.system, "pthread_attr_setstacksize", systemError: failure)
        }

        // The new thread takes the mask over.
        var asynchronous = sigset_t()
        var before = sigset_t()
        sigfillset(&asynchronous)
        // These come from the thread's own instructions: blocked they would kill without a trace.
        for signal in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS] {
            sigdelset(&asynchronous, signal)
        }
        pthread_sigmask(SIG_SETMASK, &asynchronous, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }

        let start = Unmanaged.passRetained(Start(name: name, body: body))
        var thread = pthread_t()
        failure = pthread_create(&thread, &attributes, Self.main, start.toOpaque())
        guard failure == 0 else {
            start.release()
            throw FastCGIError(.system, "pthread_create", systemError: failure)
        }
        self.thread = thread
    }

    /// Waits until the thread has ended; once.
    func join() {
        let failure = pthread_join(thread, nil)
        precondition(failure == 0, "a thread is joined once, by another")
    }

    private static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? =
        { argument in
            guard let argument else { return nil }
            let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
            clinux_name_thread(start.name)
            start.body()
            return nil
        }
}
