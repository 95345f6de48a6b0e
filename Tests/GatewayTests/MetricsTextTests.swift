import Backlog
import Foundation
import Testing

@testable import gateway

@Suite struct MetricsTextTests {
    /// What is asked of Prometheus's own parser: the families as JSON, and what `promtool check metrics` would mind.
    private static let program = """
        import json, sys
        from prometheus_client.parser import text_string_to_metric_families as families
        text = sys.stdin.buffer.read().decode()
        told = {}
        for family in families(text):
            assert family.documentation.endswith("."), family.name
            assert family.name not in told, family.name
            assert family.samples, family.name
            for sample in family.samples:
                assert sample.name.startswith("pasarela_"), sample.name
                assert (sample.name.endswith("_total")) == (family.type == "counter"), sample.name
            keys = [(s.name, tuple(sorted(s.labels.items()))) for s in family.samples]
            assert len(keys) == len(set(keys)), family.name
            told[family.name] = [[s.name, s.labels, s.value] for s in family.samples]
        lines = text.split("\\n")
        for before, line in zip(lines, lines[1:]):
            if line.startswith("# TYPE"):
                name, kind = line.split(" ")[2:]
                assert before.startswith("# HELP " + name + " "), name
                ending = name.endswith(("_total", "_count", "_sum", "_bucket"))
                assert ending == (kind == "counter") and not name.endswith(("_count", "_sum", "_bucket")), name
        assert lines[-1] == "" and "" not in lines[:-1]
        json.dump(told, sys.stdout)
        """

    private struct Sample {
        let name: String
        let labels: [String: String]
        let value: Double
    }

    /// The text as Prometheus's own parser (PyPI `prometheus_client`) reads it.
    private func parsed(_ text: [UInt8]) throws -> [String: [Sample]] {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let parser = Process()
        parser.executableURL = root.appendingPathComponent(".venv/bin/python")
        parser.arguments = ["-c", Self.program]
        let (input, output, errors) = (Pipe(), Pipe(), Pipe())
        (parser.standardInput, parser.standardOutput) = (input, output)
        parser.standardError = errors
        try parser.run()
        try input.fileHandleForWriting.write(contentsOf: Data(text))
        try input.fileHandleForWriting.close()
        let read = output.fileHandleForReading.readDataToEndOfFile()
        let said = errors.fileHandleForReading.readDataToEndOfFile()
        parser.waitUntilExit()
        try #require(parser.terminationStatus == 0, "\(String(decoding: said, as: UTF8.self))")
        let json = try JSONSerialization.jsonObject(with: read)
        let families = try #require(json as? [String: [[Any]]])
        return try families.mapValues { samples in
            try samples.map { sample in
                Sample(
                    name: try #require(sample[0] as? String),
                    labels: try #require(sample[1] as? [String: String]),
                    value: try #require(sample[2] as? Double))
            }
        }
    }

    private let daemon = (name: "mserv1", isWell: true, waiting: 0)

    private var figures: BacklogFigures {
        var figures = BacklogFigures()
        figures.waiting = ["mserv1": 3, "mserv2": 4]
        figures.oldestWaiting = 1_000
        figures.storedBytes = 5
        figures.accepted = 6
        figures.replayed = 7
        figures.helped = 8
        figures.helping = 9
        figures.failed = 10
        figures.expired = 11
        figures.deleted = 12
        figures.refused = 13
        figures.brokerState = .disconnected("no route")
        figures.confirmed = 14
        figures.returned = 15
        figures.rejected = 16
        figures.unannounced = 17
        figures.dropped = 14
        return figures
    }

    @Test func `Prometheus's parser reads all of it, and minds nothing`() throws {
        let metrics = Metrics()
        metrics.count(route: .list, status: 200, duration: .milliseconds(3))
        metrics.count(route: nil, status: 404, duration: .microseconds(1))
        let families = try parsed(
            metrics.text(figures: figures, daemons: [("mserv1", true, 0), ("mserv2", false, 2)]))
        #expect(families["pasarela_requests"]?.map(\.value).filter { $0 > 0 } == [1, 1])
        #expect(families["pasarela_daemon_well"]?.map(\.value) == [1, 0])
        let histogram = try #require(families["pasarela_request_duration_seconds"])
        let list = histogram.filter { $0.labels["route"] == "/listar_archivos" }
        #expect(list.count == RequestCounters.bounds.count + 3)
        let buckets = list.filter { $0.name.hasSuffix("_bucket") }.map(\.value)
        #expect(buckets == buckets.sorted() && buckets.last == 1)
        #expect(list.first { $0.name.hasSuffix("_sum") }?.value == 0.003)
    }

    @Test func `each figure of the backlog is there under its name`() throws {
        let families = try parsed(Metrics().text(figures: figures, daemons: [daemon]))
        func values(_ name: String) -> [Double]? { families[name]?.map(\.value) }
        #expect(values("pasarela_tickets_waiting") == [3, 4])
        #expect(values("pasarela_backlog_stored_bytes") == [5])
        let counters = [
            "accepted", "replayed", "helped", "helping", "failed", "expired", "deleted", "refused",
            "dropped",
        ]
        for (value, name) in counters.enumerated() {
            #expect(values("pasarela_tickets_\(name)") == [Double(value + 6)], "\(name)")
        }
        #expect(values("pasarela_broker_publishes") == [14, 15, 16])
        #expect(values("pasarela_tickets_unannounced") == [17])
        let state = try #require(families["pasarela_broker_state"])
        #expect(state.filter { $0.value == 1 }.map(\.labels) == [["state": "disconnected"]])
        let age = try #require(values("pasarela_oldest_waiting_ticket_age_seconds")?.first)
        #expect(abs(age - (Date().timeIntervalSince1970 - 1)) < 60)
    }

    @Test func `nothing waits: the oldest has no age`() throws {
        var idle = BacklogFigures()
        idle.waiting = ["mserv1": 0, "mserv2": 0]
        let families = try parsed(Metrics().text(figures: idle, daemons: [daemon]))
        #expect(families["pasarela_oldest_waiting_ticket_age_seconds"]?.map(\.value) == [0])
    }

    @Test func `the value of a label may be any text`() throws {
        var text = MetricsText()
        text.family("pasarela_test", .gauge, "A test.")
        let odd = "a\\b\"c\nd{e},=ñ"
        text.sample([("label", odd)], -1)
        let families = try parsed(text.bytes)
        #expect(families["pasarela_test"]?.map(\.labels) == [["label": odd]])
        #expect(families["pasarela_test"]?.map(\.value) == [-1])
    }

    @Test(arguments: [
        (Duration.zero, "0"), (.seconds(1), "1"), (.microseconds(2_500), "0.0025"),
        (.nanoseconds(1), "0.000000001"), (.nanoseconds(-1_500_000_000), "-1.5"),
        (.milliseconds(1_764_000_000_123), "1764000000.123"),
    ])
    func `seconds have the decimals that they need`(duration: Duration, text: String) {
        #expect(MetricsText.seconds(duration) == text)
    }
}
