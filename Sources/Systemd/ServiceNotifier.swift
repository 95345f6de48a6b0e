private import CLinux
private import Glibc

/// Tells systemd how the service is (sd_notify(3), "Type=notify" in systemd.service(5)).
///
/// Without systemd it says nothing. Safe to use from several threads: each message is one datagram.
public final class ServiceNotifier: Sendable {
    private let descriptor: CInt

    /// - Parameter address: `NOTIFY_SOCKET`: a path, or `@` and an abstract name; nil, or one that can't be reached:
    ///   nobody is told.
    public init(address: String?) {
        descriptor = address.map(Self.connected) ?? -1
    }

    /// Whether there is a supervisor.
    public var isHeard: Bool { descriptor >= 0 }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// The one of this process's environment.
    public static func ofProcess() -> ServiceNotifier {
        ServiceNotifier(address: getenv("NOTIFY_SOCKET").map { String(cString: $0) })
    }

    /// The service serves: at its start, and at the end of a reload.
    public func ready(_ status: String) {
        send("READY=1\nSTATUS=\(Self.line(status))")
    }

    /// The service reads its configuration again; ``ready(_:)`` ends that.
    public func reloading() {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let microseconds = Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
        send("RELOADING=1\nMONOTONIC_USEC=\(microseconds)\nSTATUS=reads its configuration again")
    }

    /// The service ends.
    public func stopping(_ status: String) {
        send("STOPPING=1\nSTATUS=\(Self.line(status))")
    }

    /// What `systemctl status` shows of the service.
    public func status(_ status: String) {
        // Who says it may hold a lock; a supervisor whose queue is full is told the next one.
        send("STATUS=\(Self.line(status))", flags: CInt(MSG_DONTWAIT))
    }

    /// The service is alive: at least once in each ``watchdogInterval(pid:microseconds:)``.
    public func alive() {
        // Said again soon; a supervisor whose queue is full must not hold up who says it.
        send("WATCHDOG=1", flags: CInt(MSG_DONTWAIT))
    }

    /// How often ``alive()`` has to be said to this process's supervisor; nil: never.
    public static func watchdogInterval() -> Duration? {
        watchdogInterval(
            pid: getenv("WATCHDOG_PID").map { String(cString: $0) },
            microseconds: getenv("WATCHDOG_USEC").map { String(cString: $0) })
    }

    /// The same for an environment's `WATCHDOG_PID` and `WATCHDOG_USEC` (sd_watchdog_enabled(3)).
    static func watchdogInterval(pid: String?, microseconds: String?) -> Duration? {
        guard let microseconds = microseconds.flatMap({ Int64($0) }), microseconds > 0 else {
            return nil
        }
        // Set for a parent of this process.
        if let pid, pid_t(pid) != getpid() { return nil }
        return .microseconds(microseconds)
    }

    /// A status is one line of text; a newline in it would begin another message.
    private static func line(_ text: String) -> String {
        LogText.escaped(text)
    }

    private func send(_ message: String, flags: CInt = 0) {
        guard descriptor >= 0 else { return }
        let bytes = Array(message.utf8)
        // A supervisor that does not read is told less: there is nobody else to tell.
        _ = Glibc.send(descriptor, bytes, bytes.count, CInt(MSG_NOSIGNAL) | flags)
    }

    private static func connected(to address: String) -> CInt {
        guard address.hasPrefix("/") || address.hasPrefix("@") else { return -1 }
        let kind = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { return -1 }
        // How long a supervisor may take to read.
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        guard clinux_connect_unix(descriptor, address) == 0,
            setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, size) == 0
        else {
            close(descriptor)
            return -1
        }
        return descriptor
    }
}
