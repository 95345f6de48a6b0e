/// What an operator must see, each with an entry in the journal's catalog (systemd/pasarela.catalog).
///
/// A line of the log that tells of one has its name in the field `EVENT_NAME`; in the journal it also gets the event's
/// `MESSAGE_ID`, by which `journalctl -x` explains it and `journalctl MESSAGE_ID=…` finds it.
public enum ServiceEvent: String, Sendable, CaseIterable {
    case starting
    case ready
    case reloaded
    case reloadRefused = "reload_refused"
    case stopping
    case stopped
    case configurationRefused = "configuration_refused"
    /// A service that can't start for another reason.
    case failed
    /// A service that does not answer itself.
    case hung
    case daemonAbsent = "daemon_absent"
    case daemonBack = "daemon_back"
    case brokerAbsent = "broker_absent"
    case brokerBack = "broker_back"
    case treeAbsent = "tree_absent"
    case treeBack = "tree_back"
    case backlogFull = "backlog_full"
    /// The backlog's database can't be used.
    case backlogBroken = "backlog_broken"
    case backlogBack = "backlog_back"
    case ticketFailed = "ticket_failed"
    case ticketExpired = "ticket_expired"
    /// The path of a socket leads nowhere: nobody can connect.
    case socketGone = "socket_gone"
    /// Somebody who has no business there has connected.
    case strangerRefused = "stranger_refused"

    /// 32 hex digits, the event's for ever (sd-id128(3)).
    public var messageID: String {
        switch self {
        case .starting: "f511adbe77bf4b458071dc21734c10e4"
        case .ready: "99f14188f2dc412193bbb3f3795d7c45"
        case .reloaded: "a08e0a69194d4ba6a4fb13883e442bd8"
        case .reloadRefused: "523f1cea9e0e407989521e13450c8d93"
        case .stopping: "9c7d956ece664a309edd45988d8069f5"
        case .stopped: "42f993e62a4d4c1a979c36f3efb98391"
        case .configurationRefused: "9b0c3b07476c408b861d16cc988ef942"
        case .failed: "3b9b0cbe8a2d4658804a374b9018fc8e"
        case .hung: "caac48127f844664ba596a3f9082eee9"
        case .daemonAbsent: "b2be826f3657438b9ca96de82285ec32"
        case .daemonBack: "3c43b2dc5a4745af91fbd920f9e939f2"
        case .brokerAbsent: "32995e0d313c41c5bb950226424f76a0"
        case .brokerBack: "9c55ddc04e4348e9a51a92af0ef43e50"
        case .treeAbsent: "9c4aa4629d40444b937c8d042a201434"
        case .treeBack: "bc94f06233a84f5a933b66198e99fd34"
        case .backlogFull: "f4b75efa49fe472894bbfacfc465926a"
        case .backlogBroken: "a3f995438abe41d6acd4611f521ab845"
        case .backlogBack: "e3e3974bed5d4d14b88b92f278c308ef"
        case .ticketFailed: "6a2e1f2c5dbf449298275b5a9c747c86"
        case .ticketExpired: "0785ce4dd55140cbb8d4321bd116c496"
        case .socketGone: "5be0c1d7f3a24e6e9b8d40c26a7f1e93"
        case .strangerRefused: "d1f7c2a94e3b4c0c8a6f5b7e2c9d3a10"
        }
    }
}
