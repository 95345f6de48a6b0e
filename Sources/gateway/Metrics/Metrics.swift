import Backlog
import Service
import Threads

/// What the gateway counts, and how a Prometheus server reads it.
///
/// Counting is for every request, so it takes no lock and costs some ten nanoseconds. Reading is for a scrape: it
/// adds up what the counters hold at that moment, each of them exact, not all of one instant.
final class Metrics: Sendable {
    /// The media type of ``text(figures:daemons:)``: the text format of version 0.0.4
    /// (https://prometheus.io/docs/instrumenting/exposition_formats/).
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private let requests = RequestCounters()
    private let streams = StreamCounters()
    /// When this was made, in milliseconds since 1970.
    private let start = WallClock.now

    /// Counts a request that has been answered.
    ///
    /// - Parameters:
    ///   - route: nil: no route of the API; such requests are one series, whatever their path.
    ///   - status: the HTTP status; one that the API does not know is counted as `otro`.
    ///   - duration: from the request's last byte in to its answer's last byte made; of a whole list, its first.
    func count(route: Route?, status: Int, duration: Duration) {
        requests.count(
            route: RouteLabel(route), status: StatusLabel(status), duration: duration)
    }

    /// Counts a whole list that has ended.
    func count(_ outcome: ListStream.Outcome) {
        streams.count(outcome)
    }

    /// How many requests have been answered.
    var requestCount: Int { requests.total }

    /// All figures in Prometheus's text format.
    ///
    /// - Parameters:
    ///   - figures: the backlog's, of this moment.
    ///   - daemons: each daemon's name, whether it is well now, and how many requests wait for its return.
    ///   - streams: whole lists that are under way.
    func text(
        figures: BacklogFigures, daemons: [(name: String, isWell: Bool, waiting: Int)],
        streams underWay: Int = 0
    ) -> [UInt8] {
        var text = MetricsText()
        text.family("pasarela_build_info", .gauge, "The version that runs; always 1.")
        text.sample([("version", pasarelaVersion)], 1)
        text.family(
            "pasarela_start_time_seconds", .gauge, "When the gateway started, since 1970.")
        text.sample(seconds: .milliseconds(start))
        requests.append(to: &text)
        text.family("pasarela_daemon_well", .gauge, "Whether a daemon answers that it serves.")
        for daemon in daemons { text.sample([("daemon", daemon.name)], daemon.isWell ? 1 : 0) }
        text.family(
            "pasarela_requests_waiting", .gauge, "Requests held until their daemon is back.")
        for daemon in daemons { text.sample([("daemon", daemon.name)], daemon.waiting) }
        text.family("pasarela_streams_under_way", .gauge, "Whole lists that are being sent.")
        text.sample([], underWay)
        streams.append(to: &text)
        figures.append(to: &text, now: WallClock.now)
        return text.bytes
    }
}
