internal import CGRPC
internal import Glibc
internal import Threads

/// The gRPC C core of this process: started once, before anything else of it is called, and never
/// ended (its threads end with the process).
enum GRPCLibrary {
    /// Reading it starts the library.
    static let started: Void = {
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
