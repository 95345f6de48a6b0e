internal import CLinux
internal import Glibc

/// A plain thread with a name, for work that blocks.
///
/// `@unchecked Sendable`: `handle` is written before `init` returns and only read after;
/// `pthread_t` is a number.
final class WorkerThread: @unchecked Sendable {
    private var handle = pthread_t()

    /// Starts `body` on a thread of its own. The name is cut to the 15 bytes that Linux keeps.
    ///
    /// - Throws: `resourceExhausted` if the system gives no thread.
    init(name: String, _ body: @escaping @Sendable () -> Void) throws(RPCError) {
        let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))
        let result = SignalMask.withSignalsBlocked {
            pthread_create(&handle, nil, runThread, start.toOpaque())
        }
        guard result == 0 else {
            start.release()
            throw RPCError(
                .resourceExhausted, "pthread_create: \(String(cString: strerror(result)))")
        }
    }

    /// Returns when the body has returned. To be called once.
    func join() {
        pthread_join(handle, nil)
    }
}

private final class ThreadStart: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

private func runThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let start = Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
    clinux_name_thread(start.name)
    start.body()
    return nil
}

/// Threads inherit the mask of the one that starts them. The program's signals (SIGTERM, SIGHUP…)
/// belong to its main thread.
enum SignalMask {
    static func withSignalsBlocked<Result>(_ body: () -> Result) -> Result {
        var blocked = sigset_t()
        var before = sigset_t()
        sigfillset(&blocked)
        // A fault must reach the thread that made it.
        for fault in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF] {
            sigdelset(&blocked, fault)
        }
        pthread_sigmask(SIG_SETMASK, &blocked, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        return body()
    }
}
