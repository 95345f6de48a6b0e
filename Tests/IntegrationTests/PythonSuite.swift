import Foundation
import Testing

/// Runs one file of `Tests/Client` that starts and ends Pasarelas of its own.
///
/// - Parameter seconds: it is ended after so long.
func runPythonSuite(_ name: String, seconds: Int = 600) throws {
    var environment = [
        "BIN": Repository.binaries.path, "PYTHONDONTWRITEBYTECODE": "1",
    ]
    environment["SEED"] = ProcessInfo.processInfo.environment["SEED"]
    let result = try run(
        [Repository.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", name],
        environment: environment, folder: Repository.folder.appending(path: "Tests/Client"),
        seconds: seconds)
    #expect(result.status == 0, "\(result.output.suffix(12_000))\(result.errors.suffix(2_000))")
}
