import Glibc
import Synchronization
import Threads

/// Counts requests by route and status, and their durations by route.
///
/// The counters stand in several copies, and a thread adds to the one that its id leads to: so threads that count
/// at the same moment seldom want the same cache line. A reader adds the copies up.
///
/// `@unchecked Sendable`: `cells` is set in `init` and freed in `deinit`; what it points to is atomic.
final class RequestCounters: @unchecked Sendable {
    /// The upper bounds of a histogram's buckets. From a tenth of an ordinary answer to patience and deadline, both at
    /// their longest.
    static let bounds: [Duration] = [
        .microseconds(250), .microseconds(500), .milliseconds(1), .microseconds(2_500),
        .milliseconds(5), .milliseconds(10), .milliseconds(25), .milliseconds(50),
        .milliseconds(100), .milliseconds(250), .milliseconds(500), .seconds(1),
        .milliseconds(2_500), .seconds(5), .seconds(10), .seconds(30), .seconds(60),
    ]

    private static let limits = bounds.map(\.wholeNanoseconds)

    // Of one route: the statuses, the buckets, the one past all bounds, the sum of durations in nanoseconds.
    private static let statuses = StatusLabel.names.count
    private static let buckets = limits.count + 1
    private static let cellsPerRoute = statuses + buckets + 1
    private static let cellsPerCopy = RouteLabel.allCases.count * cellsPerRoute
    /// Enough for the cores of a usual server; a power of two.
    private static let copies = 8

    private let cells: UnsafeMutablePointer<Atomic<Int>>

    init() {
        let count = Self.copies * Self.cellsPerCopy
        cells = .allocate(capacity: count)
        for index in 0..<count { (cells + index).initialize(to: Atomic(0)) }
    }

    deinit {
        cells.deinitialize(count: Self.copies * Self.cellsPerCopy)
        cells.deallocate()
    }

    /// Counts one request.
    func count(route: RouteLabel, status: StatusLabel, duration: Duration) {
        let nanoseconds = max(duration.wholeNanoseconds, 0)
        let place = Self.copyOfThisThread * Self.cellsPerCopy + route.rawValue * Self.cellsPerRoute
        let bucket = Self.limits.firstIndex { nanoseconds <= $0 } ?? Self.limits.count
        add(1, to: place + status.index)
        add(1, to: place + Self.statuses + bucket)
        add(Int(nanoseconds), to: place + Self.statuses + Self.buckets)
    }

    private func add(_ value: Int, to index: Int) {
        cells[index].wrappingAdd(value, ordering: .relaxed)
    }

    /// A thread's id is its block's address: a multiple of 4,096 in most cases, so higher bits tell threads apart.
    private static var copyOfThisThread: Int {
        let id = UInt(pthread_self())
        return Int((id &* 0x9E37_79B9_7F4A_7C15) >> 61) & (copies - 1)
    }

    private func sum(_ route: RouteLabel, _ cell: Int) -> Int {
        var sum = 0
        for copy in 0..<Self.copies {
            let index = copy * Self.cellsPerCopy + route.rawValue * Self.cellsPerRoute + cell
            sum &+= cells[index].load(ordering: .relaxed)
        }
        return sum
    }

    /// All requests counted.
    var total: Int {
        RouteLabel.allCases.reduce(0) { total, route in
            (0..<Self.statuses).reduce(total) { $0 &+ sum(route, $1) }
        }
    }

    /// Appends the two families.
    func append(to text: inout MetricsText) {
        text.family("pasarela_requests_total", .counter, "Requests answered.")
        for route in RouteLabel.allCases {
            for (status, code) in StatusLabel.names.enumerated() {
                let count = sum(route, status)
                guard count > 0 || StatusLabel.alwaysShown.contains(status) else { continue }
                text.sample([("route", route.name), ("status", code)], count)
            }
        }
        text.family(
            "pasarela_request_duration_seconds", .histogram,
            "Time from a request's arrival to its answer.")
        for route in RouteLabel.allCases {
            let counts = (0..<Self.buckets).map { sum(route, Self.statuses + $0) }
            text.histogram(
                [("route", route.name)], bounds: Self.bounds, counts: counts,
                sum: .nanoseconds(sum(route, Self.statuses + Self.buckets)))
        }
    }
}
