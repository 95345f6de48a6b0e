private import Glibc

/// The signals that a service is told by: SIGTERM and SIGINT end it, SIGHUP makes it reload where it has a file to read
/// again, and else ends it too. SIGUSR1, SIGUSR2 and SIGPIPE are ignored.
///
/// They are blocked in every thread and waited for in the main one (sigwait(3)), so no code ever runs in a handler.
enum ServiceSignals {
    /// What a service is told.
    enum Word: Sendable {
        case stop
        case reload
    }

    /// Blocks them, here and in all threads started from now on. Call before any thread starts.
    static func block() {
        var signals = set()
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        for ignored in [SIGPIPE, SIGUSR1, SIGUSR2] { signal(ignored, SIG_IGN) }
    }

    /// Waits for one of them.
    static func next() -> Word {
        var signals = set()
        var received: CInt = 0
        while sigwait(&signals, &received) != 0 {}
        return received == SIGHUP ? .reload : .stop
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
