internal import CFastCGI
internal import Glibc

/// libfcgi's state for the whole process.
enum FastCGILibrary {
    /// Sets libfcgi up, once in the life of the process.
    ///
    /// The signal handlers are left as they were, but for SIGPIPE, which is ignored from here on:
    /// who writes to a peer that is gone gets `EPIPE`.
    static func setUp() throws(FastCGIError) {
        guard outcome == 0 else {
            throw FastCGIError(.library, "FCGX_Init", systemError: max(0, outcome))
        }
    }

    private static let outcome: CInt = {
        // FCGX_Init takes SIGTERM and SIGUSR1 over, only to set a flag for its own accept loop,
        // which is not used here: the process could no longer be ended.
        var terminate = sigaction()
        var user = sigaction()
        sigaction(SIGTERM, nil, &terminate)
        sigaction(SIGUSR1, nil, &user)
        let outcome = FCGX_Init()
        sigaction(SIGTERM, &terminate, nil)
        sigaction(SIGUSR1, &user, nil)
        signal(SIGPIPE, SIG_IGN)
        return outcome
    }()
}
