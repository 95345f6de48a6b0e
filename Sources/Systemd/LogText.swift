private import Glibc
public import Logging

/// What may stand in a log: no control character of a client's ever reaches it as it is.
public enum LogText {
    /// The text with control characters (and backslashes) as `\xNN` or `\u{NNNN}`.
    public static func escaped(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { (0x20...0x7E).contains($0) && $0 != 0x5C }
        if isPlain { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control: result += "\\x" + hex(scalar.value, 2)
            case .format, .lineSeparator, .paragraphSeparator, .surrogate:
                result += "\\u{" + hex(scalar.value, 4) + "}"
            default:
                if scalar == "\\" { result += "\\\\" } else { result.unicodeScalars.append(scalar) }
            }
        }
        return result
    }

    private static func hex(_ value: UInt32, _ digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}

/// Where a service's log goes.
public enum LogOutput {
    /// Native journal fields where standard error is the journal, else lines on standard error.
    public static func handler(identifier: String, level: Logger.Level) -> any LogHandler {
        isJournal
            ? JournalLogHandler(identifier: identifier, level: level)
            : StandardErrorLogHandler(identifier: identifier, level: level)
    }

    /// Before a process that has lived for a moment ends: journald looks up the unit of a line's sender when it reads the
    /// line, and finds none for a process that is gone; `journalctl -u` would not show it. Nothing tells that it has read.
    public static func settle() {
        if isJournal { usleep(250_000) }
    }

    /// Whether standard error is a stream to journald: `JOURNAL_STREAM` is its device and inode (systemd.exec(5)).
    public static var isJournal: Bool {
        guard let stream = getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        guard fstat(STDERR_FILENO, &status) == 0 else { return false }
        return String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }
}
