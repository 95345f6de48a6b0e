import Foundation
import Testing

/// nginx's limits, judged from outside: clients in Python that come from addresses of their own.
@Suite struct LimitTests {
    @Test func `who asks for too much is told so, and nobody else is`() throws {
        let environment = [
            "BIN": Repository.binaries.path, "PYTHONDONTWRITEBYTECODE": "1",
        ]
        let result = try run(
            [
                Repository.python, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                "test_limits.py",
            ],
            environment: environment,
            folder: Repository.folder.appending(path: "Tests/Client"), seconds: 300)
        #expect(
            result.status == 0, "\(result.output.suffix(12_000))\(result.errors.suffix(2_000))")
    }
}
