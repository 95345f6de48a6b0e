internal import Glibc

/// A moment of `CLOCK_MONOTONIC`, on which every wait here is counted.
struct MonotonicDeadline {
    private let nanoseconds: Int64

    /// So long from now; a negative time is now, years are a year.
    init(after time: Duration) {
        let seconds = min(max(time.components.seconds, 0), 31_536_000)
        let fraction = time < .zero ? 0 : time.components.attoseconds / 1_000_000_000
        nanoseconds = Self.now + seconds * 1_000_000_000 + fraction
    }

    private static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// What is left, never negative.
    private var left: Int64 { max(nanoseconds - Self.now, 0) }

    var isPast: Bool { left == 0 }

    /// What is left in whole milliseconds, rounded up; at most a year.
    var milliseconds: Int { Int((left + 999_999) / 1_000_000) }

    /// What is left, at least a millisecond: librabbitmq takes 0 for "do not wait", which no call means.
    var interval: timeval {
        let whole = max(milliseconds, 1)
        return timeval(tv_sec: whole / 1_000, tv_usec: whole % 1_000 * 1_000)
    }
}
