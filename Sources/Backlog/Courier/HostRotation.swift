internal import RabbitMQ

/// Which host is tried next, and when. Pure.
struct HostRotation {
    private let hosts: [BrokerConfiguration.Host]
    private var next: Int
    private var failures = 0

    static let pauseMin: Int64 = 100_000_000
    static let pauseMax: Int64 = 5_000_000_000

    /// - Parameter first: at which one to begin; gateways should differ.
    init(_ hosts: [BrokerConfiguration.Host], first: Int) {
        self.hosts = hosts
        next = hosts.isEmpty ? 0 : first % hosts.count
    }

    /// The host to try; nil: there is none.
    var host: BrokerConfiguration.Host? { hosts.isEmpty ? nil : hosts[next] }

    /// It served.
    mutating func served() { failures = 0 }

    /// It did not, or no longer.
    ///
    /// - Parameter jitter: 0…1.
    /// - Returns: nanoseconds until the next try: at once for the first round over the other hosts, then 0.1 s, doubled
    ///   up to 5 s with each failure, between half of that and all of it.
    mutating func failed(jitter: Double) -> Int64 {
        next = hosts.isEmpty ? 0 : (next + 1) % hosts.count
        failures += 1
        let rounds = failures - hosts.count
        guard rounds >= 0 else { return 0 }
        let pause = min(Self.pauseMin << Int64(min(rounds, 10)), Self.pauseMax)
        return pause / 2 + Int64(Double(pause / 2) * min(max(jitter, 0), 1))
    }
}
