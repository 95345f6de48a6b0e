import Backlog
import Glibc
import RabbitMQ
import Service

/// What the gateway reads of tickets, and of the broker that they are shared by.
struct TicketConfiguration: Sendable {
    /// The backlog's, its folder the gateway's state folder.
    let backlog: BacklogConfiguration
    /// The key that the gateways of a tree share, where there is one.
    let treeKey: SecretKey?

    init(
        _ settings: Settings, folder: String, services: [String]
    ) throws(Settings.Flaw) {
        let own = Self.settings(settings)
        let treeKey = try Self.treeKey(settings, own)
        self.treeKey = treeKey
        backlog = BacklogConfiguration(
            folder: folder, services: services, ticketsMax: try settings.value(own.ticketsMax),
            bytesMax: try settings.value(own.bytesMax),
            attemptsMax: try settings.value(own.attemptsMax),
            ticketLife: try settings.value(own.ticketLife),
            answerLife: try settings.value(own.answerLife),
            traceLife: try settings.value(own.traceLife),
            replayRate: try settings.value(own.replayRate),
            broker: try Self.broker(settings, own, key: treeKey))
    }

    /// Whether both mean the same broker, tree, credentials and key.
    func usesSameBroker(as other: TicketConfiguration) -> Bool {
        let (own, others) = (backlog.broker, other.backlog.broker)
        return own?.configuration == others?.configuration && own?.tree == others?.tree
            && treeKey?.bytes == other.treeKey?.bytes
    }

    private static func treeKey(
        _ settings: Settings, _ own: OwnSettings
    ) throws(Settings.Flaw) -> SecretKey? {
        guard let file = try settings.value(own.treeKeyFile) else { return nil }
        do throws(SecretKey.Failure) {
            return try SecretKey(file: file)
        } catch {
            throw Settings.Flaw(own.treeKeyFile.name, error.description)
        }
    }

    private static func broker(
        _ settings: Settings, _ own: OwnSettings, key: SecretKey?
    ) throws(Settings.Flaw) -> BrokerSetup? {
        let named = try settings.value(own.tree)
        guard let url = try settings.value(own.url) else { return nil }
        guard let tree = named else {
            throw Settings.Flaw(
                own.tree.name,
                "is not set; with \(own.url.name) it names the tree: \(own.tree.takes)")
        }
        var broker: BrokerConfiguration
        let credentialsFile = try settings.value(own.credentialsFile)
        do throws(RabbitMQError) {
            broker = try BrokerConfiguration(url: url, credentialsFile: credentialsFile)
        } catch {
            throw Settings.Flaw(own.url.name, error.description)
        }
        if let file = try settings.value(own.caFile) { broker.authorityFile = file }
        // With a key of each host's own they would throw each other's tickets away.
        guard let key else {
            throw Settings.Flaw(
                own.treeKeyFile.name,
                "is not set; with \(own.url.name) it names the key that the tree's hosts share, such as of "
                    + "openssl rand -hex 32")
        }
        let messages = key.derived(for: "messages")
        return BrokerSetup(configuration: broker, tree: tree) { messages.mac($0) }
    }

    /// The settings, for their use and for the help.
    struct OwnSettings {
        let ticketsMax = Setting.integer(
            "PASARELA_BACKLOG_TICKETS", fallback: 10_000, in: 1...1_000_000,
            purpose: "tickets that may wait")
        let bytesMax = Setting.integer(
            "PASARELA_BACKLOG_BYTES", fallback: 512 << 20, in: (1 << 20)...(1 << 40),
            purpose: "bytes that tickets and their answers may take")
        let ticketLife = Setting.seconds(
            "PASARELA_TICKET_LIFE", fallback: "86400", in: 1...604_800,
            purpose: "how long a ticket waits for its answer")
        let answerLife = Setting.seconds(
            "PASARELA_ANSWER_LIFE", fallback: "86400", in: 1...604_800,
            purpose: "how long a ticket's answer is kept")
        let traceLife = Setting.seconds(
            "PASARELA_TRACE_LIFE", fallback: "86400", in: 1...604_800,
            purpose: "how long a ticket that expired is answered with 410")
        let attemptsMax = Setting.integer(
            "PASARELA_TICKET_ATTEMPTS", fallback: 5, in: 1...100,
            purpose: "failed answers after which a ticket ends as failed")
        let replayRate = Setting.integer(
            "PASARELA_REPLAY_RATE", fallback: 500, in: 1...100_000,
            purpose: "tickets that are answered a second, of each daemon")
        let url = Setting.optional(
            "PASARELA_RABBITMQ_URL", takes: "amqp[s]://[USER:PASSWORD@]HOST[:PORT][,HOST…][/VHOST]",
            purpose: "RabbitMQ, for a tree that several hosts serve"
        ) { $0 }
        let tree = Setting.optional(
            "PASARELA_TREE", takes: "a name of up to 64 letters, digits, - and _",
            purpose: "what the hosts that serve the same tree call it"
        ) { text in
            let isName = text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
                default: false
                }
            }
            return isName && text.utf8.count <= 64 ? text : nil
        }
        let credentialsFile: Setting<String?>
        let caFile: Setting<String?>
        let treeKeyFile: Setting<String?>
    }

    /// The settings of this environment: what systemd gives as credentials (`LoadCredential=`, systemd.exec(5)) is the
    /// default of the files. systemd gives them at the start; for a reload the unit copies them anew into a folder that
    /// it names (systemd/renew-credentials), which counts alone once it is there.
    static func settings(_ settings: Settings) -> OwnSettings {
        func credential(_ name: String) -> String? {
            var folder = settings[foreign: "CREDENTIALS_DIRECTORY"] ?? ""
            if let renewed = settings[foreign: "RENEWED_CREDENTIALS_DIRECTORY"],
                access(renewed, F_OK) == 0
            {
                folder = renewed
            }
            guard folder.hasPrefix("/") else { return nil }
            let path = "\(folder)/\(name)"
            return access(path, F_OK) == 0 ? path : nil
        }
        return OwnSettings(
            credentialsFile: .optionalPath(
                "PASARELA_RABBITMQ_CREDENTIALS_FILE",
                fallback: credential("rabbitmq.credentials"),
                purpose: "a file with USER:PASSWORD for RabbitMQ"),
            caFile: .optionalPath(
                "PASARELA_RABBITMQ_CA_FILE", fallback: credential("rabbitmq.ca"),
                purpose: "a file with the certificates that sign RabbitMQ's"),
            treeKeyFile: .optionalPath(
                "PASARELA_TREE_KEY_FILE", fallback: credential("tree.key"),
                purpose: "a file with the key that the hosts of the tree share"))
    }

    /// Adds the rows of `--help`.
    static func add(to table: inout SettingTable, _ settings: Settings) {
        let own = Self.settings(settings)
        table.add(own.ticketsMax)
        table.add(own.bytesMax)
        table.add(own.ticketLife)
        table.add(own.answerLife)
        table.add(own.traceLife)
        table.add(own.attemptsMax)
        table.add(own.replayRate)
        table.add(own.url)
        table.add(own.credentialsFile)
        table.add(own.caFile)
        table.add(own.tree)
        table.add(own.treeKeyFile)
    }
}
