import Glibc
import RabbitMQ
import TestSupport
import Testing
import Threads

@testable import Backlog

/// Three nodes, one of which dies: the queues' other members go on.
@Suite struct CourierClusterTests {
    @Test func `the death of the node that leads the queues loses nothing`() throws {
        let cluster = try RunningBroker(nodes: 3)
        let tree = CourierBroker.tree()
        let url =
            "amqp://"
            + cluster.urls.map { $0.split(separator: "@").last.map(String.init) ?? "" }
            .joined(separator: ",")
        let folders = [try TemporaryFolder(), try TemporaryFolder()]
        let a = try TestGateway(tree: tree, at: url, in: folders[0])
        let b = try TestGateway(tree: tree, at: url, in: folders[1], well: ["mserv1"])
        #expect(a.isConnected() && b.isConnected())
        var ids: [TicketID] = []
        for number in 0..<30 { ids.append(try a.accept("before \(number)")) }
        for id in ids { try #require(try a.reaches(.answered, id)) }
        let leader = try #require(try leader(of: "pasarela.\(tree).mserv1", cluster))
        for number in 0..<100 {
            if number == 50 { try cluster.send(SIGKILL, node: leader) }
            ids.append(try a.accept("while \(number)"))
        }
        for id in ids {
            for gateway in [a, b] {
                try #require(
                    try gateway.reaches(.answered, id),
                    "\(gateway.backlog.figures()) \(gateway.log.lines)")
            }
        }
        #expect(a.isConnected() && b.isConnected())
        #expect(eventually { a.backlog.figures().unannounced == 0 })
        let survivor = leader == 1 ? 2 : 1
        #expect(
            try eventually {
                try CourierBroker.messages(of: tree, on: cluster, node: survivor) == 0
            })
    }

    /// Nodes are named `nN-PORT@localhost`.
    private func leader(of queue: String, _ cluster: RunningBroker) throws -> Int? {
        let list = try cluster.control(
            "-q", "list_queues", "name", "leader", "--no-table-headers")
        for line in list.split(separator: "\n") {
            let fields = line.split(separator: "\t")
            guard fields.count == 2, fields[0] == queue else { continue }
            return fields[1].dropFirst().prefix { $0.isNumber }.last.flatMap { Int(String($0)) }
        }
        return nil
    }
}
