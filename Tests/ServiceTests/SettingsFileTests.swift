import Foundation
import Service
import TestSupport
import Testing

@Suite struct SettingsFileTests {
    /// The settings of an environment that names a file with this text, or the flaw's line.
    private static func read(
        _ text: String, _ environment: [String: String] = [:]
    ) throws -> Result<[String], Settings.Flaw> {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let path = "\(folder.path)/pasarela.conf"
        try Data(text.utf8).write(to: URL(filePath: path))
        var environment = environment
        environment["PASARELA_CONFIGURATION_FILE"] = path
        do throws(Settings.Flaw) {
            let settings = try Settings(environment).withFile()
            return .success(
                ["PASARELA_ROOT", "PASARELA_HIDDEN"].map { settings[foreign: $0] ?? "-" })
        } catch {
            return .failure(error)
        }
    }

    @Test(arguments: [
        ("PASARELA_ROOT=/a\n", "/a"), ("# a word\n\n  PASARELA_ROOT = /a b \r\n", "/a b"),
        ("PASARELA_ROOT=\"/a b\"", "/a b"), ("PASARELA_ROOT='/a'", "/a"),
        ("PASARELA_ROOT=/a=b", "/a=b"), ("PASARELA_ROOT=", ""), ("PASARELA_ROOT=\"", "\""),
        ("PASARELA_ROOT=/a\nPASARELA_ROOT=/b", "/b"), ("", "/environment"),
    ])
    func `a line of the file wins over the environment`(text: String, root: String) throws {
        let found = try Self.read(
            text, ["PASARELA_ROOT": "/environment", "PASARELA_HIDDEN": "yes"])
        #expect(try found.get() == [root, "yes"])
    }

    @Test(arguments: [
        ("PASARELA_ROOT=/a\nROOT=/b", "line 2"), ("PASARELA_ROOT", "line 1"),
        ("export PASARELA_ROOT=/a", "line 1"), ("\n\nPASARELA_CONFIGURATION_FILE=/b", "line 3"),
    ])
    func `a line that is no setting is named`(text: String, place: String) throws {
        guard case .failure(let flaw) = try Self.read(text) else {
            Issue.record("it was taken")
            return
        }
        #expect(flaw.description.contains(place))
        #expect(flaw.description.contains("pasarela.conf"))
    }

    @Test func `a file that can't be read is named`() {
        #expect(throws: Settings.Flaw.self) {
            try Settings(["PASARELA_CONFIGURATION_FILE": "/nowhere/at/all"]).withFile()
        }
        #expect(throws: Settings.Flaw.self) {
            try Settings(["PASARELA_CONFIGURATION_FILE": "/dev/zero"]).withFile()
        }
    }

    @Test func `without a name there is no file to read`() throws {
        let settings = try Settings(["PASARELA_ROOT": "/a"]).withFile()
        #expect(settings[foreign: "PASARELA_ROOT"] == "/a")
    }
}
