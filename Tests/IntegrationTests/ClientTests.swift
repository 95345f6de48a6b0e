import Foundation
import Testing

/// The contract, judged from outside: clients in Python, with an oracle of their own, over HTTPS and gRPC.
@Suite struct ClientTests {
    /// The suites of `Tests/Client`, each against a Pasarela of its own.
    static let suites = [
        "test_contract.py", "test_oracle.py", "test_paging.py", "test_grpc.py", "test_page.py",
        "test_schema.py",
    ]

    @Test(arguments: suites)
    func `a client in another language finds what the contract says`(suite: String) throws {
        try check(suite, hidden: true)
    }

    @Test func `a client is refused hidden names where they are not served`() throws {
        try check("test_contract.py", hidden: false)
    }

    @Test func `the oracle itself is right`() throws {
        let result = try run(
            [
                Repository.python, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                "test_the_oracle.py",
            ],
            environment: ["PYTHONDONTWRITEBYTECODE": "1"],
            folder: Repository.folder.appending(path: "Tests/Client"), seconds: 300)
        #expect(result.status == 0, "\(result.output.suffix(6_000))\(result.errors.suffix(2_000))")
    }

    private func check(_ suite: String, hidden: Bool) throws {
        try withRunningPasarela(hidden: hidden) { pasarela in
            var pids: [String: Int32] = [:]
            for part in RunningPasarela.Part.allCases {
                pids[part.rawValue] = pasarela.pid(of: part)
            }
            let file = pasarela.folder.url.appending(path: "pids.json")
            try JSONEncoder().encode(pids).write(to: file)
            var environment = [
                "PASARELA_URL": pasarela.url, "PASARELA_CA": pasarela.certificate,
                "PASARELA_ROOT": pasarela.root.path,
                "PASARELA_RUNTIME_DIR": pasarela.runtimeFolder, "PASARELA_PIDS": file.path,
                "PASARELA_ACCESS_LOG": pasarela.accessLog,
                "PASARELA_HIDDEN": hidden ? "yes" : "no", "PYTHONDONTWRITEBYTECODE": "1",
            ]
            environment["SEED"] = ProcessInfo.processInfo.environment["SEED"]
            let result = try run(
                [Repository.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", suite],
                environment: environment,
                folder: Repository.folder.appending(path: "Tests/Client"), seconds: 900)
            #expect(
                result.status == 0, "\(result.output.suffix(12_000))\(result.errors.suffix(2_000))")
            if result.status != 0 { pasarela.report() }
        }
    }
}
