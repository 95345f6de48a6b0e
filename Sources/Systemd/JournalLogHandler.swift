private import CSystemd
private import Glibc
public import Logging

/// Sends log events to journald as native fields (sd_journal_sendv(3), systemd.journal-fields(7)).
///
/// Metadata keys are journal field names: `A–Z`, `0–9`, `_`; others are left out. The `EVENT_NAME` of a ``ServiceEvent``
/// brings its `MESSAGE_ID` along.
public struct JournalLogHandler: LogHandler {
    private let identifier: String
    /// Events below it are not logged.
    public var logLevel: Logger.Level
    /// Fields that every event has.
    public var metadata: Logger.Metadata = [:]

    /// A handler that logs as `identifier`.
    public init(identifier: String, level: Logger.Level) {
        self.identifier = identifier
        logLevel = level
    }

    /// One of the fields that every event has.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Sends one event. A journal that is away loses it: there is nobody else to tell.
    public func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        var fields: [[UInt8]] = [
            field("MESSAGE", LogText.escaped(event.message.description)),
            field("PRIORITY", String(priority(event.level))),
            field("SYSLOG_IDENTIFIER", identifier),
        ]
        for (key, value) in all where isFieldName(key) {
            fields.append(field(key, LogText.escaped(value.description)))
        }
        if let name = all["EVENT_NAME"], let event = ServiceEvent(rawValue: name.description) {
            fields.append(field("MESSAGE_ID", event.messageID))
        }
        let sizes = fields.map(\.count)
        // One block of memory for all fields: iovec wants addresses that stay.
        let bytes = Array(fields.joined())
        bytes.withUnsafeBytes { bytes in
            var vectors: [iovec] = []
            var start = 0
            for size in sizes {
                let address = bytes.baseAddress.map { $0 + start }
                vectors.append(
                    iovec(iov_base: UnsafeMutableRawPointer(mutating: address), iov_len: size))
                start += size
            }
            _ = sd_journal_sendv(vectors, CInt(vectors.count))
        }
    }

    private func field(_ name: String, _ value: String) -> [UInt8] {
        Array("\(name)=\(value)".utf8)
    }

    private func isFieldName(_ key: String) -> Bool {
        key.utf8.first.map { (0x41...0x5A).contains($0) } ?? false
            && key.utf8.allSatisfy {
                (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F
            }
    }

    /// syslog(3)'s levels.
    private func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .critical: 2
        case .error: 3
        case .warning: 4
        case .notice: 5
        case .info: 6
        case .debug, .trace: 7
        }
    }
}
