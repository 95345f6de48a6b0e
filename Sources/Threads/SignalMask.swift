private import Glibc

/// Threads inherit the mask of the one that starts them. The program's signals (SIGTERM, SIGHUP…) belong to its main
/// thread.
public enum SignalMask {
    /// Runs `body`, which starts threads, with all signals blocked that come from outside.
    public static func withSignalsBlocked<Result>(_ body: () -> Result) -> Result {
        var blocked = sigset_t()
        var before = sigset_t()
        sigfillset(&blocked)
        // These come from the thread's own instructions: blocked, they would kill without a trace.
        for fault in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF] {
            sigdelset(&blocked, fault)
        }
        pthread_sigmask(SIG_SETMASK, &blocked, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        return body()
    }
}
