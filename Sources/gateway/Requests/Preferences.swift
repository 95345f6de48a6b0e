/// What a client prefers (`Prefer`, RFC 7240): how long to wait, and whether a ticket will do.
struct Preferences: Sendable, Hashable {
    /// `respond-async` (RFC 7240, 4.1).
    private(set) var respondsAsync = false
    /// `wait` in whole seconds, 0…``waitMax`` (RFC 7240, 4.3).
    private(set) var wait: Int?

    /// The longest wait; more counts as this.
    static let waitMax = 30

    /// No preferences.
    init() {}

    /// Reads the header; what can't be read of it is ignored, and of one preference that is given twice the first
    /// counts (RFC 7240, 2).
    init(prefer header: String?) {
        guard let header else { return }
        var hasWait = false
        for item in Self.items(header) {
            // What follows a semicolon are parameters; neither preference has any.
            let word = item.prefix { $0 != ";" }
            let pair = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = pair[0].trimmingBlanks.lowercased()
            let value = pair.count == 2 ? pair[1].trimmingBlanks : ""
            switch name {
            case "respond-async": respondsAsync = respondsAsync || value.isEmpty || value == "\"\""
            case "wait" where !hasWait:
                hasWait = true
                wait = Self.seconds(value)
            default: break
            }
        }
    }

    /// Splits at commas outside quoted strings (RFC 9110, 5.6.1 and 5.6.4).
    private static func items(_ header: String) -> [Substring] {
        var items: [Substring] = []
        var start = header.startIndex
        var isQuoted = false
        var isEscaped = false
        for index in header.indices {
            let character = header[index]
            if isEscaped {
                isEscaped = false
            } else if isQuoted, character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
            } else if character == ",", !isQuoted {
                items.append(header[start..<index])
                start = header.index(after: index)
            }
        }
        items.append(header[start...])
        return items
    }

    private static func seconds(_ value: Substring) -> Int? {
        var digits = value
        if digits.count >= 2, digits.first == "\"", digits.last == "\"" {
            digits = digits.dropFirst().dropLast()
        }
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        // More digits than a number has are more seconds than anybody waits.
        return min(Int(digits) ?? waitMax, waitMax)
    }
}
