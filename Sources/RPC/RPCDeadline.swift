// CGRPC also for `timespec`, which its headers declare to Swift.
internal import CGRPC
internal import Glibc

/// The instant by which a call must have ended, on the monotonic clock of this machine.
///
/// It travels with the call (`grpc-timeout`, in milliseconds, rounded up) and ends it on both
/// sides.
public struct RPCDeadline: Sendable, Hashable {
    /// Nanoseconds of `CLOCK_MONOTONIC`; `Int64.max`: never.
    let nanoseconds: Int64

    init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// That far from now; a negative duration has passed already, one of centuries is `none`.
    public init(after duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (end, past) = Self.clock().addingReportingOverflow(scaled)
        guard !overflow, !past else {
            nanoseconds = seconds < 0 ? 0 : Int64.max
            return
        }
        let (exact, tooFar) = end.addingReportingOverflow(attoseconds / 1_000_000_000)
        nanoseconds = tooFar ? Int64.max : max(exact, 0)
    }

    /// The call may take for ever.
    public static let none = RPCDeadline(nanoseconds: Int64.max)

    /// What is left: zero or less when it has passed, `nil` for `none`.
    public var remaining: Duration? {
        self == .none ? nil : .nanoseconds(nanoseconds - Self.clock())
    }

    /// Whether no time is left.
    public var hasPassed: Bool {
        self != .none && nanoseconds <= Self.clock()
    }

    /// The one of the two that comes first.
    public func earlier(of other: RPCDeadline) -> RPCDeadline {
        nanoseconds <= other.nanoseconds ? self : other
    }

    /// Now, in nanoseconds of `CLOCK_MONOTONIC`.
    static func clock() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
    }
}

/// gRPC's monotonic clock is `CLOCK_MONOTONIC` (gpr/time_posix.cc): the numbers are the same.
extension RPCDeadline {
    init(_ time: gpr_timespec) {
        let monotonic = gpr_convert_clock_type(time, GPR_CLOCK_MONOTONIC)
        let (seconds, overflow) = monotonic.tv_sec.multipliedReportingOverflow(by: 1_000_000_000)
        let (exact, tooFar) = seconds.addingReportingOverflow(Int64(monotonic.tv_nsec))
        if overflow || tooFar {
            self = monotonic.tv_sec < 0 ? RPCDeadline(nanoseconds: 0) : .none
        } else {
            self.init(nanoseconds: exact)
        }
    }

    /// For gRPC's calls.
    var grpcTime: gpr_timespec {
        guard self != .none else { return gpr_inf_future(GPR_CLOCK_MONOTONIC) }
        return gpr_timespec(
            tv_sec: nanoseconds / 1_000_000_000, tv_nsec: Int32(nanoseconds % 1_000_000_000),
            clock_type: GPR_CLOCK_MONOTONIC)
    }

    /// For waits on the monotonic clock; nil for `none`.
    var monotonic: Int64? {
        self == .none ? nil : nanoseconds
    }
}
