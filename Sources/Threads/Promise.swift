private import CLinux
private import Glibc
private import Synchronization

/// A value that comes once, and threads that wait for it.
///
/// All who wait are woken by one system call, and none takes a lock then: a ``Monitor`` would have each of them take its
/// mutex, one after the other.
///
/// `@unchecked Sendable`: `value` is written before the word says so (releasing) and read after (acquiring).
public final class Promise<Value: Sendable>: @unchecked Sendable {
    /// ``kept``, ``awaited``, and above them how often those who wait were told to look again. Of its own memory: the
    /// kernel wants an address that stays.
    private let word = UnsafeMutablePointer<Atomic<UInt32>>.allocate(capacity: 1)
    private var value: Value?

    /// A promise that is open.
    public init() {
        word.initialize(to: Atomic(0))
    }

    deinit {
        word.deinitialize(count: 1)
        word.deallocate()
    }

    /// What came of waiting.
    public enum Outcome {
        case value(Value)
        /// Who waits has given up.
        case givenUp
        /// The time is over.
        case late
    }

    /// Gives the value to all who wait and will wait. To be called once.
    public func keep(_ value: Value) {
        self.value = value
        let before = word.pointee.bitwiseOr(kept, ordering: .acquiringAndReleasing).oldValue
        precondition(before & kept == 0, "a promise is kept once")
        if before & awaited != 0 { clinux_futex_wake_all(word) }
    }

    /// Has those who wait ask again whether they give up.
    public func ask() {
        word.pointee.wrappingAdd(step, ordering: .acquiringAndReleasing)
        clinux_futex_wake_all(word)
    }

    /// Waits for the value.
    ///
    /// - Parameters:
    ///   - monotonic: until when, in nanoseconds of `CLOCK_MONOTONIC`; nil: for ever.
    ///   - givesUp: asked at once and after each ``ask()``.
    public func wait(
        until monotonic: Int64? = nil, orGiveUp givesUp: () -> Bool = { false }
    ) -> Outcome {
        var end = timespec(monotonic: monotonic ?? 0)
        while true {
            let seen = word.pointee.bitwiseOr(awaited, ordering: .acquiringAndReleasing).newValue
            if seen & kept != 0, let value { return .value(value) }
            // In this order: an `ask` from here on changes the word, so the kernel does not let this thread sleep.
            if givesUp() { return .givenUp }
            let result =
                monotonic == nil
                ? clinux_futex_wait(word, seen, nil) : clinux_futex_wait(word, seen, &end)
            if result < 0, errno == ETIMEDOUT {
                guard word.pointee.load(ordering: .acquiring) & kept != 0, let value else {
                    return .late
                }
                return .value(value)
            }
        }
    }
}

private let kept: UInt32 = 1
private let awaited: UInt32 = 2
private let step: UInt32 = 4
