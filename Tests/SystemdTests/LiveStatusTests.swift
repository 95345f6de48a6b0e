import Synchronization
import TestSupport
import Testing

@testable import Systemd

@Suite struct LiveStatusTests {
    @Test func `a status is told when it has changed, and never after the end`() throws {
        let folder = try TemporaryFolder()
        let supervisor = try Supervisor(folder.path + "/notify")
        let looks = Atomic(0)
        let status = LiveStatus(
            ServiceNotifier(address: folder.path + "/notify"), first: "look 0",
            every: .milliseconds(1)
        ) {
            // The first two say what is known.
            "look \(looks.wrappingAdd(1, ordering: .relaxed).newValue / 3)"
        }
        #expect(status.latest == "look 0")
        try status.start()
        #expect(supervisor.next() == "STATUS=look 1")
        #expect(looks.load(ordering: .relaxed) >= 3)
        #expect(status.latest == "look 1")
        status.stop()
        #expect(!supervisor.hasMessage)
    }
}
