private import Glibc
public import Logging
private import Synchronization
private import Systemd

/// Who may connect to a service's socket, as the kernel says who it is (`SO_PEERCRED`, unix(7)): besides the socket's mode
/// and group, which keep others out already, so that neither a wrong mode nor a passed descriptor lets anybody in.
public struct PeerList: Sendable {
    /// User ids; nil: everybody whom the socket's mode lets in.
    public let users: Set<UInt32>?

    /// The setting.
    public static let setting = Setting.optional(
        "PASARELA_PEERS", takes: "names of users, with commas between them",
        purpose: "who may connect besides root and the service's own user; empty: whom the "
            + "socket's mode lets in"
    ) { text in
        let names = text.split(separator: ",", omittingEmptySubsequences: false)
        return names.contains("") ? nil : text
    }

    /// Reads the setting.
    ///
    /// - Throws: ``Settings/Flaw`` where a user is unknown on this machine.
    public init(_ settings: Settings) throws(Settings.Flaw) {
        guard let names = try settings.value(Self.setting) else {
            users = nil
            return
        }
        var users: Set<UInt32> = [0, geteuid()]
        for name in names.split(separator: ",") {
            guard let id = Self.user(String(name)) else {
                throw Settings.Flaw(Self.setting.name, "there is no user \(name)")
            }
            users.insert(id)
        }
        self.users = users
    }

    private static func user(_ name: String) -> UInt32? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var text = [CChar](repeating: 0, count: 16 * 1_024)
        let error = getpwnam_r(name, &entry, &text, text.count, &found)
        return error == 0 && found != nil ? entry.pw_uid : nil
    }
}

/// Says in the log that somebody else has connected: the first time, then once a minute with how often.
public final class StrangerLog: Sendable {
    private struct State {
        var count = 0
        var next: ContinuousClock.Instant?
    }

    private let log: Logger
    private let state = Mutex(State())

    /// Nobody yet.
    public init(_ log: Logger) {
        self.log = log
    }

    /// A connection of this user was closed unheard.
    public func refused(_ user: UInt32) {
        let now = ContinuousClock.now
        let count: Int? = state.withLock { state in
            state.count += 1
            if let next = state.next, now < next { return nil }
            state.next = now + .seconds(60)
            defer { state.count = 0 }
            return state.count
        }
        guard let count else { return }
        log.warning(
            "refused \(count) of a user who may not connect (PASARELA_PEERS): \(user)",
            metadata: .event(.strangerRefused).merging(["PEER_UID": "\(user)"]) { own, _ in own })
    }
}
