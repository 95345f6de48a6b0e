import Foundation
import Testing

/// Pasarela installed in a booted systemd: units, sockets, journal, sandbox. The tests themselves are Python, inside.
@Suite(.serialized) struct BootedTests {
    private static let boot = Repository.folder.appending(path: "systemd/boot").path
    /// Where no systemd can be booted: why. In CI that is a failure.
    private static let obstacle: String? = {
        guard let result = try? run([boot, "true"]) else { return "systemd/boot does not run" }
        return result.status == 77 ? result.errors : nil
    }()

    private static let isInCI = ProcessInfo.processInfo.environment["CI"] != nil

    /// Asked when the test's turn has come: every process that knows of the test would boot one else.
    private static func canBoot() -> Bool {
        guard let obstacle else { return true }
        print("BootedTests are left out: \(obstacle)")
        return false
    }

    @Test(
        .enabled(if: canBoot() || isInCI, "no systemd can be booted here: the line above says why"))
    func `installed under systemd it starts, stops, reloads and is locked down`() throws {
        try check("booted_systemd.py")
    }

    @Test(
        .enabled(if: canBoot() || isInCI, "no systemd can be booted here: the line above says why"))
    func `installs, upgrades and uninstalls keep what is the operator's`() throws {
        try check("booted_install.py")
    }

    /// `IPAddressDeny=` works in a unified hierarchy of control groups only, `MemoryMax=` where the machine has it.
    @Test(
        .enabled(if: canBoot() || isInCI, "no systemd can be booted here: the line above says why"))
    func `the gateway reaches no address but those it is given`() throws {
        try check("booted_systemd.py", booting: ["--cgroup=2"], choice: ["-k", "reaches_only"])
    }

    private func check(
        _ file: String, booting: [String] = [], choice: [String] = []
    ) throws {
        try #require(Self.obstacle == nil, "no systemd can be booted here: \(Self.obstacle ?? "")")
        let rounds = ProcessInfo.processInfo.environment["ROUNDS"] ?? "100"
        let result = try run(
            // Programs as they are installed, where there is no Swift.
            [Self.boot, "--network=own", "--hide=/opt/swift"] + booting + [
                "--env=PYTHONDONTWRITEBYTECODE=1", "--env=ROUNDS=\(rounds)",
                "--bind=\(Repository.folder.path)",
                Repository.python, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider",
                file,
            ] + choice,
            folder: Repository.folder.appending(path: "Tests/Client"), seconds: 1_200)
        print(
            result.output.split(separator: "\n").filter {
                $0.contains("under load") || $0.contains("figure: ")
            }
            .joined(separator: "\n"))
        #expect(
            result.status == 0, "\(result.output.suffix(12_000))\(result.errors.suffix(2_000))")
    }
}
