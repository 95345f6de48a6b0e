private import CLinux
private import Glibc

/// A plain thread with a name, for work that blocks. The program's signals never come to it: they are the main thread's.
///
/// `@unchecked Sendable`: `handle` is written before `init` returns and only read after; `pthread_t` is a number.
public final class WorkerThread: @unchecked Sendable {
    /// Why the system gives no thread.
    public struct Failure: Error, Sendable, Hashable, CustomStringConvertible {
        /// The call that failed.
        public let call: String
        /// Its error, an `errno`.
        public let errorNumber: CInt

        /// One line for the operator.
        public var description: String {
            "no thread (\(call): \(String(cString: strerror(errorNumber))); the limit is the "
                + "unit's TasksMax= or the user's processes)"
        }
    }

    private var handle = pthread_t()

    /// Starts `body` on a thread of its own.
    ///
    /// - Parameters:
    ///   - name: cut to the 15 bytes that Linux keeps.
    ///   - stackBytes: nil: the system's default; of either only what is touched takes memory.
    public init(
        name: String, stackBytes: Int? = nil, _ body: @escaping @Sendable () -> Void
    ) throws(Failure) {
        var attributes = pthread_attr_t()
        try Self.check("pthread_attr_init", pthread_attr_init(&attributes))
        defer { pthread_attr_destroy(&attributes) }
        if let stackBytes {
            try Self.check(
                "pthread_attr_setstacksize", pthread_attr_setstacksize(&attributes, stackBytes))
        }
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        let result = SignalMask.withSignalsBlocked {
            pthread_create(&handle, &attributes, runThread, start.toOpaque())
        }
        if result != 0 { start.release() }
        try Self.check("pthread_create", result)
    }

    private static func check(_ call: String, _ result: CInt) throws(Failure) {
        guard result == 0 else { throw Failure(call: call, errorNumber: result) }
    }

    /// Returns when the body has returned. To be called once, by another thread.
    public func join() {
        let result = pthread_join(handle, nil)
        precondition(result == 0, "a thread is joined once, by another")
    }
}

/// Carries name and function to the thread.
private final class Start: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

private func runThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
    clinux_name_thread(start.name)
    start.body()
    return nil
}
