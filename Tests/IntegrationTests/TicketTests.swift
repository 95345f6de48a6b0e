import Foundation
import Testing

/// Tickets, judged from outside: clients in Python that start, stop and kill Pasarelas and brokers of their own.
@Suite struct TicketTests {
    /// The suites of `Tests/Client` that bring their own Pasarelas.
    static let suites = [
        "test_tickets.py", "test_restarts.py", "test_cluster.py", "test_failpoints.py",
        "test_chaos.py",
    ]

    @Test(arguments: suites)
    func `what was accepted is answered, whatever is absent or dies`(suite: String) throws {
        var environment = [
            "BIN": Repository.binaries.path, "PYTHONDONTWRITEBYTECODE": "1",
        ]
        environment["SEED"] = ProcessInfo.processInfo.environment["SEED"]
        let result = try run(
            [Repository.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", suite],
            environment: environment,
            folder: Repository.folder.appending(path: "Tests/Client"), seconds: 600)
        #expect(
            result.status == 0, "\(result.output.suffix(12_000))\(result.errors.suffix(2_000))")
    }
}
