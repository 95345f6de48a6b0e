import ArchiveProtocol
import RPC
import Testing

@Suite struct HealthServiceTests {
    @Test func `it serves until it is stopped, and knows its services only`() throws {
        let health = HealthService(services: ["a.B"])
        try ServedProtocol.run(health.handlers()) { channel in
            for name in ["", "a.B"] {
                let serves = try HealthService.check(name, on: channel, deadline: .ample)
                #expect(serves)
            }
            let error = errorOf { () throws(RPCError) in
                try HealthService.check("a.C", on: channel, deadline: .ample)
            }
            #expect(error?.code == .notFound)
            health.stop()
            let serves = try HealthService.check("a.B", on: channel, deadline: .ample)
            #expect(!serves)
        }
    }
}
