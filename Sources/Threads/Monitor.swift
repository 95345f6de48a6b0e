private import Glibc

/// State that threads change and wait for: a mutex with a condition, which `Synchronization.Mutex`
/// lacks. It also serves where many more threads than cores meet: `Synchronization.Mutex` spins up
/// to 1,000 rounds before it sleeps, which cost 46 µs a call with 32 callers on 2 cores.
///
/// `@unchecked Sendable`: `state` is touched only with `mutex` held; the two pthread objects are
/// made for use by several threads and do not move.
public final class Monitor<State: Sendable>: @unchecked Sendable {
    /// How many of the waiting threads an update can satisfy.
    public enum Waking: Sendable {
        case none
        case one
        case all
    }

    private var state: State
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    /// State that starts like this.
    public init(_ state: State) {
        self.state = state
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(changed, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// Changes the state and wakes those who wait for it.
    @discardableResult
    public func update<Result: Sendable, Failure: Error>(
        waking: Waking, _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        let result = try body(&state)
        switch waking {
        case .none: break
        case .one: pthread_cond_signal(changed)
        case .all: pthread_cond_broadcast(changed)
        }
        return result
    }

    /// Waits until `body` gives a result: asked at once and after each update.
    ///
    /// - Parameter monotonic: until when, in nanoseconds of `CLOCK_MONOTONIC`; nil: for ever.
    /// - Returns: nil when that has passed first.
    public func wait<Result: Sendable>(
        until monotonic: Int64? = nil, _ body: (inout State) -> Result?
    ) -> Result? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        var end = timespec(monotonic: monotonic ?? 0)
        while true {
            if let result = body(&state) { return result }
            if monotonic == nil {
                pthread_cond_wait(changed, mutex)
            } else if pthread_cond_timedwait(changed, mutex, &end) == ETIMEDOUT {
                return body(&state)
            }
        }
    }
}
