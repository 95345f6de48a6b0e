internal import Glibc
internal import Threads

/// A moment of `CLOCK_MONOTONIC`, on which every wait here is counted.
struct MonotonicDeadline {
    private let nanoseconds: Int64

    /// So long from now; a negative time is now, years are a year.
    init(after time: Duration) {
        let span = min(max(time, .zero), .seconds(31_536_000))
        nanoseconds = MonotonicClock.now + span.wholeNanoseconds
    }

    /// What is left, never negative.
    private var left: Int64 { max(nanoseconds - MonotonicClock.now, 0) }

    var isPast: Bool { left == 0 }

    /// What is left in whole milliseconds, rounded up; at most a year.
    var milliseconds: Int { Int((left + 999_999) / 1_000_000) }

    /// What is left, at least a millisecond: librabbitmq takes 0 for "do not wait", which no call means.
    var interval: timeval {
        let whole = max(milliseconds, 1)
        return timeval(tv_sec: whole / 1_000, tv_usec: whole % 1_000 * 1_000)
    }
}
