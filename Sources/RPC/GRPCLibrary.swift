internal import CGRPC
internal import Glibc
internal import Synchronization
internal import Threads

/// The gRPC C core of this process: started once, before anything else of it is called, and never
/// ended (its threads end with the process).
enum GRPCLibrary {
    private static let hasStarted = Atomic(false)

    /// Reading it starts the library for a process that calls, if it has not started yet.
    ///
    /// By gRPC's usual way of waiting ("epoll1") all threads of a process that wait in it, servers' among them, share one
    /// epoll: an answer wakes whichever polls, that one wakes the caller, and a third, which polls in its place. By this
    /// one ("poll") a caller waits for its own connection and is woken alone. A server is better off with the usual one.
    static let startedForCalls: Void = {
        // The environment is changed only while the process has one thread.
        if !hasStarted.load(ordering: .relaxed) { setenv("GRPC_POLL_STRATEGY", "poll", 0) }
        _ = started
    }()

    /// Reading it starts the library.
    static let started: Void = {
        hasStarted.store(true, ordering: .relaxed)
        // gRPC writes to standard error by itself. What matters to a caller is in the status.
        if getenv("GRPC_VERBOSITY") == nil {
            gpr_set_log_function(writeOnlyAssertions)
        }
        // The threads that it starts take no signal that is meant for the program.
        SignalMask.withSignalsBlocked { grpc_init() }
    }()
}

/// gRPC aborts after a failed assertion: that line must not be lost.
private func writeOnlyAssertions(_ line: UnsafeMutablePointer<gpr_log_func_args>?) {
    guard let message = line?.pointee.message else { return }
    guard strncmp(message, "assertion failed", 16) == 0 else { return }
    write(STDERR_FILENO, message, strlen(message))
    write(STDERR_FILENO, "\n", 1)
}
