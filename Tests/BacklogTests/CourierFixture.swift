import Logging
import RabbitMQ
import Synchronization
import TestSupport
import Threads

@testable import Backlog

/// A gateway's backlog with a courier, on a real node, with the real clock.
final class TestGateway: Sendable {
    let backlog: Backlog
    let daemon: FakeDaemon
    let log: KeptLog
    /// Stays as long as the backlog that lives in it.
    private let folder: TemporaryFolder

    init(
        tree: String, at url: String, in folder: TemporaryFolder, daemon: FakeDaemon = FakeDaemon(),
        well: [String] = [], _ change: (inout CourierTimes) -> Void = { _ in }
    ) throws {
        self.daemon = daemon
        self.folder = folder
        log = KeptLog()
        var times = CourierTimes()
        change(&times)
        var broker = try BrokerConfiguration(url: url)
        broker.connectTime = .seconds(2)
        broker.callTime = .seconds(2)
        broker.heartbeatSeconds = 2
        let configuration = BacklogConfiguration(
            folder: folder.path, services: ["mserv1", "mserv2"], attemptsMax: 2,
            broker: BrokerSetup(configuration: broker, tree: tree) { standInForMAC($0, key: tree) })
        backlog = try Backlog(
            configuration, log: log.logger, now: { WallClock.now },
            makeCourier: { [times] setup, services, post, log in
                Courier(setup, services: services, post: post, log: log, times: times)
            }
        ) { _, request, _ in daemon.process(request) }
        try backlog.start()
        for service in well { backlog.tell(service, isWell: true) }
    }

    deinit { backlog.stop() }

    func accept(_ text: String, service: String = "mserv1") throws -> TicketID {
        try backlog.accept(service: service, request: bytes(text)).id
    }

    /// Waits until the broker is in use, or no longer.
    func isConnected(_ wanted: Bool = true) -> Bool {
        eventually { (backlog.figures().brokerState == .connected) == wanted }
    }

    /// Waits until a ticket is known here and has this state.
    func reaches(_ state: TicketState?, _ id: TicketID) throws -> Bool {
        try eventually { try backlog.ticket(id)?.state == state }
    }
}

/// What stands for HMAC-SHA256 in tests: 32 bytes that depend on key and text.
func standInForMAC(_ text: [UInt8], key: String) -> [UInt8] {
    var words: [UInt64] = [1, 2, 3, 4]
    for (index, byte) in (Array(key.utf8) + [0xFF] + text).enumerated() {
        words[index & 3] = (words[index & 3] ^ UInt64(byte)) &* 0x100_0000_01B3
        words[(index + 1) & 3] &+= words[index & 3] &* 0x9E37_79B9_7F4A_7C15
    }
    for _ in 0..<8 {
        for place in 0..<4 { words[place] ^= (words[(place + 3) & 3] &* 0x9E37_79B9) >> 7 }
    }
    return words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
}

/// The node that the quiet suites share.
enum CourierBroker {
    static let shared = Result { try RunningBroker() }

    private static let trees = Mutex(0)

    /// A tree that no other test uses.
    static func tree() -> String { "tree\(trees.withLock { $0 += 1; return $0 })" }

    /// How many messages of a tree lie in the queues that gateways share: handed out or not, or as `column` says.
    static func messages(
        of tree: String, on broker: RunningBroker, node: Int = 1, column: String = "messages"
    ) throws -> Int {
        let list = try broker.control(
            node: node, "-q", "list_queues", "name", column, "--no-table-headers")
        return list.split(separator: "\n").reduce(0) { sum, line in
            let fields = line.split(separator: "\t")
            guard fields.count == 2, fields[0].hasPrefix("pasarela.\(tree)."),
                !fields[0].contains(".gateway.")
            else { return sum }
            return sum + (Int(fields[1]) ?? 0)
        }
    }
}
