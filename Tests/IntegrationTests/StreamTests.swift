import Foundation
import Testing

/// Streamed answers, judged from outside: clients in Python that read them fast, slowly, not at all, or go away.
@Suite struct StreamTests {
    @Test func `a stream is everything, costs no memory, and says how it ended`() throws {
        var environment = [
            "BIN": Repository.binaries.path, "PYTHONDONTWRITEBYTECODE": "1",
        ]
        environment["SEED"] = ProcessInfo.processInfo.environment["SEED"]
        let result = try run(
            [
                Repository.python, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                "test_streams.py",
            ],
            environment: environment,
            folder: Repository.folder.appending(path: "Tests/Client"), seconds: 600)
        #expect(
            result.status == 0, "\(result.output.suffix(12_000))\(result.errors.suffix(2_000))")
    }
}
