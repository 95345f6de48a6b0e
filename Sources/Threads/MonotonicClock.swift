private import Glibc

/// `CLOCK_MONOTONIC`, which a monitor's waits are counted on.
public enum MonotonicClock {
    /// Now, in nanoseconds.
    public static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

extension Duration {
    /// Whole nanoseconds; of durations past 292 years the longest there is.
    public var wholeNanoseconds: Int64 {
        let (scaled, overflow) = components.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (total, past) = scaled.addingReportingOverflow(components.attoseconds / 1_000_000_000)
        return overflow || past ? (components.seconds < 0 ? .min : .max) : total
    }
}

/// The time of day, which may jump.
public enum WallClock {
    /// Now, in milliseconds since 1970-01-01T00:00:00Z.
    public static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }
}

extension timespec {
    /// An instant of `CLOCK_MONOTONIC`, in nanoseconds.
    init(monotonic: Int64) {
        self.init(
            tv_sec: Int(monotonic / 1_000_000_000), tv_nsec: Int(monotonic % 1_000_000_000))
    }
}
