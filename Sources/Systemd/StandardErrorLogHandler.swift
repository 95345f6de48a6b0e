private import Glibc
public import Logging

/// Writes log events to standard error, a line each: time, level, who, message, fields.
public struct StandardErrorLogHandler: LogHandler {
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

    /// Writes one line with one `write(2)`, so that lines of threads don't mix.
    public func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        var line = "\(now()) \(event.level) \(identifier): "
        line += LogText.escaped(event.message.description)
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            line += " \(key)=\(LogText.escaped(value.description))"
        }
        line += "\n"
        let bytes = Array(line.utf8)
        // A standard error that is closed or full loses the line: there is nobody else to tell.
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }

    /// The time in UTC, RFC 3339 with milliseconds.
    private func now() -> String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        var parts = tm()
        gmtime_r(&time.tv_sec, &parts)
        func digits(_ value: Int32, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        return """
            \(digits(parts.tm_year + 1900, 4))-\(digits(parts.tm_mon + 1, 2))-\
            \(digits(parts.tm_mday, 2))T\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\
            \(digits(parts.tm_sec, 2)).\(digits(Int32(time.tv_nsec / 1_000_000), 3))Z
            """
    }
}
