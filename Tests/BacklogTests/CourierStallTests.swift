import Glibc
import TestSupport
import Testing
import Threads

@testable import Backlog

/// A node of its own that is absent, stopped, starved and killed: one test after the other. Tickets never wait for it.
@Suite(.serialized) struct CourierStallTests {
    private static let node = Result { try RunningBroker() }

    private let tree = CourierBroker.tree()
    private let folders: [TemporaryFolder]
    private let node: RunningBroker

    init() throws {
        folders = [try TemporaryFolder(), try TemporaryFolder()]
        node = try Self.node.get()
    }

    private func gateway(_ number: Int, well: [String] = []) throws -> TestGateway {
        try TestGateway(tree: tree, at: node.urls[0], in: folders[number], well: well) { times in
            times.confirms = .seconds(1)
        }
    }

    /// Runs a body that must not wait for the broker.
    private func atOnce<Value>(_ body: () throws -> Value) rethrows -> Value {
        let begin = MonotonicClock.now
        defer { #expect(MonotonicClock.now - begin < 900_000_000) }
        return try body()
    }

    /// What the log has told of the broker so far: whether it is in use.
    private static func told(_ gateway: TestGateway) -> [Bool] {
        gateway.log.lines.compactMap { line in
            if line.contains("RabbitMQ is in use") { return true }
            return line.contains("RabbitMQ can't be used") ? false : nil
        }
    }

    private static func alternates(_ told: [Bool]) -> Bool {
        zip(told, told.dropFirst()).allSatisfy { $0 != $1 }
    }

    @Test func `a broker that is absent at the start is used once it is there`() throws {
        try node.send(SIGKILL)
        let a = try gateway(0)
        let b = try gateway(1, well: ["mserv1"])
        let id = try atOnce { try a.accept("early") }
        #expect(try atOnce { try a.backlog.ticket(id)?.state } == .waiting)
        let own = try b.accept("own")
        // Without any broker.
        #expect(try b.reaches(.answered, own))
        #expect(a.isConnected(false) && a.backlog.figures().unannounced == 1)
        #expect(eventually { Self.told(a) == [false] }, "\(a.log.lines)")
        try node.again()
        try #require(try a.reaches(.answered, id))
        #expect(a.isConnected() && b.isConnected())
        // A line for each change: a node that starts may go once more before it stays.
        #expect(Self.told(a).last == true && Self.alternates(Self.told(a)), "\(a.log.lines)")
    }

    @Test func `a broker that is stopped in the middle delays nothing but the others' help`() throws
    {
        let a = try gateway(0)
        let b = try gateway(1, well: ["mserv1"])
        #expect(a.isConnected() && b.isConnected())
        let first = try a.accept("before")
        #expect(try a.reaches(.answered, first))
        try node.send(SIGSTOP)
        defer { try? node.send(SIGCONT) }
        var ids: [TicketID] = []
        for number in 0..<20 { ids.append(try atOnce { try a.accept("while \(number)") }) }
        #expect(a.isConnected(false))
        #expect(try atOnce { try a.backlog.delete(ids[19]) })
        #expect(a.backlog.figures().unannounced == 20)
        // Ending does not wait for it either.
        let begin = MonotonicClock.now
        do {
            let third = try TestGateway(
                tree: CourierBroker.tree(), at: node.urls[0], in: try TemporaryFolder())
            _ = try third.accept("x")
        }
        #expect(MonotonicClock.now - begin < 3_000_000_000)
        try node.send(SIGCONT)
        for id in ids.dropLast() { try #require(try a.reaches(.answered, id)) }
        #expect(try b.reaches(nil, ids[19]))
        #expect(a.isConnected() && eventually { a.backlog.figures().unannounced == 0 })
    }

    @Test func `a broker that is killed and comes again loses no ticket and no answer`() throws {
        let a = try gateway(0)
        let b = try gateway(1, well: ["mserv1"])
        #expect(a.isConnected() && b.isConnected())
        var ids: [TicketID] = []
        // RabbitMQ notes a new quorum queue on its disk half a second late: killed before, the queue stays dead.
        let end = MonotonicClock.now + 2_000_000_000
        while MonotonicClock.now < end {
            let id = try a.accept("before \(ids.count)")
            ids.append(id)
            try #require(try a.reaches(.answered, id))
        }
        for number in 0..<50 { ids.append(try a.accept("under way \(number)")) }
        try node.send(SIGKILL)
        for number in 0..<50 { ids.append(try atOnce { try a.accept("after \(number)") }) }
        try node.again()
        for id in ids {
            try #require(try a.reaches(.answered, id))
            try #require(try b.reaches(.answered, id))
        }
        #expect(
            try eventually { try CourierBroker.messages(of: tree, on: node) == 0 })
        #expect(eventually { a.backlog.figures().unannounced == 0 })
    }

    @Test func `a broker short of memory is told to the operator, and helps again later`() throws {
        let a = try gateway(0)
        let b = try gateway(1, well: ["mserv1"])
        #expect(a.isConnected() && b.isConnected())
        try node.control("set_vm_memory_high_watermark", "0")
        defer { _ = try? node.control("set_vm_memory_high_watermark", "0.4") }
        let id = try atOnce { try a.accept("hungry") }
        #expect(a.isConnected(false))
        // It still takes logins: that alone is no service, and no lines in the log.
        #expect(
            eventually {
                guard case .disconnected(let reason) = a.backlog.figures().brokerState else {
                    return false
                }
                return reason.contains("low on memory")
            })
        #expect(Self.told(a) == [true, false], "\(a.log.lines)")
        try node.control("set_vm_memory_high_watermark", "0.4")
        try #require(try a.reaches(.answered, id))
        #expect(a.isConnected())
        #expect(Self.told(a).last == true && Self.alternates(Self.told(a)), "\(a.log.lines)")
    }
}
