internal import Glibc
internal import Threads

extension RPCError {
    /// The system gives no thread.
    init(_ failure: WorkerThread.Failure) {
        let reason = String(cString: strerror(failure.errorNumber))
        self.init(.resourceExhausted, "\(failure.call): \(reason)")
    }
}
