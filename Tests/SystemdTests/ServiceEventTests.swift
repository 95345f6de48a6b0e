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
}
