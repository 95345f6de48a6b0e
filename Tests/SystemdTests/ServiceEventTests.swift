import Foundation
import Testing

@testable import Systemd

@Suite struct ServiceEventTests {
    private static let catalog = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../systemd/pasarela.catalog")

    @Test func `each event has an id of its own, and the catalog explains just these`() throws {
        let ids = ServiceEvent.allCases.map(\.messageID)
        #expect(Set(ids).count == ids.count)
        for id in ids {
            #expect(id.utf8.count == 32 && id.allSatisfy { $0.isHexDigit && !$0.isUppercase })
        }
        let explained = try String(contentsOf: Self.catalog, encoding: .utf8)
            .split(separator: "\n").filter { $0.hasPrefix("-- ") }.map { String($0.dropFirst(3)) }
        #expect(explained.sorted() == ids.sorted())
    }

    /// Modules that do not know this one name an event by its text: a misspelled one would lose its id in silence.
    @Test func `each event that a line of the log names is one`() throws {
        let sources = Self.catalog.deletingLastPathComponent().appending(path: "../Sources")
        let files = try #require(
            FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
        var named: Set<String> = []
        for case let file as URL in files where file.pathExtension == "swift" {
            let text = try String(contentsOf: file, encoding: .utf8)
            for match in text.matches(of: /(?:"EVENT_NAME": |event\()"([a-z_]+)"/) {
                named.insert(String(match.output.1))
            }
        }
        #expect(named.isSuperset(of: ["broker_absent", "backlog_full", "ticket_failed"]))
        #expect(named.allSatisfy { ServiceEvent(rawValue: $0) != nil }, "\(named)")
    }
}
