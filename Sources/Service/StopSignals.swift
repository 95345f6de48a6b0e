private import Glibc

/// The signals that end a service: SIGTERM, SIGINT and SIGHUP. SIGUSR1, SIGUSR2 and SIGPIPE are ignored.
///
/// They are blocked in every thread and waited for in the main one (sigwait(3)), so no code ever runs in a handler.
public enum StopSignals {
    /// Blocks them, here and in all threads started from now on. Call before any thread starts.
    public static func block() {
        var signals = set()
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        for ignored in [SIGPIPE, SIGUSR1, SIGUSR2] { signal(ignored, SIG_IGN) }
    }

    /// Waits for one of them.
    public static func wait() {
        var signals = set()
        var received: CInt = 0
        while sigwait(&signals, &received) != 0 {}
    }

    private static func set() -> sigset_t {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGHUP)
        return signals
    }
}
