import Backlog
import TestSupport
import Testing

@testable import gateway

@Suite struct MetricsTests {
    private let metrics = Metrics()

    private func text() -> String {
        String(
            decoding: metrics.text(
                figures: BacklogFigures(), daemons: [("mserv1", true, 0), ("mserv2", false, 4)]),
            as: UTF8.self)
    }

    /// The value of a sample, as it is written.
    private func value(_ sample: String) -> String? {
        let line = text().split(separator: "\n").first { $0.hasPrefix(sample + " ") }
        return line.map { String($0.dropFirst(sample.utf8.count + 1)) }
    }

    @Test func `a request is counted by route and status`() {
        metrics.count(route: .list, status: 200, duration: .milliseconds(1))
        metrics.count(route: .list, status: 200, duration: .milliseconds(2))
        metrics.count(route: .list, status: 404, duration: .zero)
        #expect(value(#"pasarela_requests_total{route="/listar_archivos",status="200"}"#) == "2")
        #expect(value(#"pasarela_requests_total{route="/listar_archivos",status="404"}"#) == "1")
        #expect(value(#"pasarela_requests_total{route="/listar_archivos",status="500"}"#) == "0")
        #expect(value(#"pasarela_requests_total{route="/listar_archivos",status="504"}"#) == nil)
    }

    @Test func `what is no route of the API, or no status of it, adds no series of its own`() {
        metrics.count(route: nil, status: 404, duration: .zero)
        for status in [Int.min, -1, 0, 99, 418, 600, Int.max] {
            metrics.count(route: .home, status: status, duration: .zero)
        }
        #expect(value(#"pasarela_requests_total{route="otra",status="404"}"#) == "1")
        #expect(value(#"pasarela_requests_total{route="/",status="otro"}"#) == "7")
    }

    @Test(arguments: [
        "/", "/listar_archivos", "/buscar_archivos", "/salud", "/livez", "/salud/listo", "/readyz",
        "/metricas", "/metrics", "/openapi.json", "/problemas/no_existe",
        "/solicitudes/0123456789abcdef0123456789abcdef",
        "/solicitudes/0123456789abcdef0123456789abcdef/resultado",
    ])
    func `every route of the API has a label of its own`(path: String) throws {
        let route = try #require(Route(path: Array(path.utf8)))
        #expect(RouteLabel(route).name == route.name)
    }

    @Test(arguments: ProblemCode.allCases)
    func `every status that a problem has is a label`(code: ProblemCode) {
        #expect(StatusLabel.names[StatusLabel(code.status).index] == String(code.status))
    }

    @Test func `a duration falls into the first bucket that is not below it`() {
        let bucket = #"pasarela_request_duration_seconds_bucket{route="/salud",le="#
        for duration in [Duration.milliseconds(1), .nanoseconds(1_000_001), .seconds(90)] {
            metrics.count(route: .health, status: 200, duration: duration)
        }
        #expect(value(bucket + #""0.0005"}"#) == "0")
        #expect(value(bucket + #""0.001"}"#) == "1")
        #expect(value(bucket + #""0.0025"}"#) == "2")
        #expect(value(bucket + #""60"}"#) == "2")
        #expect(value(bucket + #""+Inf"}"#) == "3")
        #expect(
            value(#"pasarela_request_duration_seconds_sum{route="/salud"}"#) == "90.002000001")
        #expect(value(#"pasarela_request_duration_seconds_count{route="/salud"}"#) == "3")
    }

    @Test func `a duration that a clock set back made negative counts as none`() {
        metrics.count(route: .home, status: 200, duration: .seconds(-5))
        #expect(value(#"pasarela_request_duration_seconds_sum{route="/"}"#) == "0")
    }

    @Test func `no request is lost when many threads count at once`() {
        let metrics = metrics
        let each = 20_000
        concurrently(
            (0..<8).map { _ -> @Sendable () -> Void in
                {
                    for _ in 0..<each {
                        metrics.count(route: .search, status: 200, duration: .milliseconds(1))
                    }
                }
            })
        #expect(
            value(#"pasarela_requests_total{route="/buscar_archivos",status="200"}"#)
                == String(8 * each))
        #expect(
            value(#"pasarela_request_duration_seconds_sum{route="/buscar_archivos"}"#)
                == String(8 * each / 1_000))
    }

    @Test func `counting costs well under a microsecond`() {
        let rounds = 200_000
        // The best of several: others use the machine, too.
        let best = (0..<5).map { _ in
            ContinuousClock().measure {
                for _ in 0..<rounds {
                    metrics.count(route: .list, status: 200, duration: .milliseconds(1))
                }
            } / rounds
        }.min()
        #expect((best ?? .seconds(1)) < .nanoseconds(500))
        print("counting a request: \(best ?? .zero)")
    }

    @Test func `daemons and the build are told`() {
        #expect(value(#"pasarela_daemon_well{daemon="mserv1"}"#) == "1")
        #expect(value(#"pasarela_daemon_well{daemon="mserv2"}"#) == "0")
        #expect(value(#"pasarela_requests_waiting{daemon="mserv2"}"#) == "4")
        #expect(text().contains("\npasarela_build_info{version=\""))
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.8.8.8", true), ("::1", true), ("::ffff:127.0.0.1", true),
        ("10.0.0.1", false), ("1270.0.0.1", false), ("::2", false), ("fe80::127.", false),
        ("", false),
    ])
    func `figures are for this machine, unless they are for all`(address: String, isNear: Bool) {
        let bytes = Array(address.utf8)
        #expect(MetricsAudience.loopback.includes(bytes) == isNear)
        #expect(MetricsAudience.all.includes(bytes) && MetricsAudience.all.includes(nil))
        #expect(!MetricsAudience.loopback.includes(nil))
    }
}
