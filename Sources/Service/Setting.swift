public import Logging

/// One environment variable that a service reads: its name, what it takes, what it is for.
public struct Setting<Value: Sendable>: Sendable {
    /// `PASARELA_…`.
    public let name: String
    /// What it is when the variable is absent; nil: it must be given.
    public let fallback: String?
    /// What values there are, as text that fits behind "takes".
    public let takes: String
    /// What it is for.
    public let purpose: String
    let parse: @Sendable (String) -> Value?

    /// A setting of its own kind.
    public init(
        _ name: String, fallback: String?, takes: String, purpose: String,
        parse: @escaping @Sendable (String) -> Value?
    ) {
        self.name = name
        self.fallback = fallback
        self.takes = takes
        self.purpose = purpose
        self.parse = parse
    }
}

extension Setting where Value == String {
    /// An absolute path.
    public static func path(_ name: String, fallback: String?, purpose: String) -> Setting {
        Setting(name, fallback: fallback, takes: "an absolute path", purpose: purpose) { text in
            text.hasPrefix("/") ? text : nil
        }
    }
}

extension Setting where Value == String {
    /// The path of a Unix socket: an address has room for 107 bytes (unix(7)).
    public static func socket(_ name: String, fallback: String?, purpose: String) -> Setting {
        Setting(
            name, fallback: fallback, takes: "an absolute path of at most 107 bytes",
            purpose: purpose
        ) { text in
            text.hasPrefix("/") && text.utf8.count <= 107 ? text : nil
        }
    }
}

extension Setting where Value == String? {
    /// A setting that may be left out; an empty value is none.
    public static func optional(
        _ name: String, fallback: String? = nil, takes: String, purpose: String,
        parse: @escaping @Sendable (String) -> String?
    ) -> Setting {
        Setting(name, fallback: fallback ?? "", takes: takes, purpose: purpose) { text in
            if text.isEmpty { return .some(nil) }
            return parse(text).map { .some($0) } ?? nil
        }
    }

    /// An absolute path that may be left out.
    public static func optionalPath(
        _ name: String, fallback: String?, purpose: String
    ) -> Setting {
        optional(name, fallback: fallback, takes: "an absolute path", purpose: purpose) { text in
            text.hasPrefix("/") ? text : nil
        }
    }
}

extension Setting where Value == Bool {
    /// `yes` or `no`.
    public static func flag(_ name: String, fallback: Bool, purpose: String) -> Setting {
        Setting(
            name, fallback: fallback ? "yes" : "no", takes: "yes or no", purpose: purpose
        ) { text in
            switch text {
            case "yes": true
            case "no": false
            default: nil
            }
        }
    }
}

extension Setting where Value == Int {
    /// A whole number in a range.
    public static func integer(
        _ name: String, fallback: Int, in range: ClosedRange<Int>, purpose: String
    ) -> Setting {
        Setting(
            name, fallback: String(fallback),
            takes: "a whole number from \(range.lowerBound) to \(range.upperBound)",
            purpose: purpose
        ) { text in
            guard let value = plainNumber(text), range.contains(value) else { return nil }
            return value
        }
    }

    /// A file's permission bits in octal.
    public static func mode(_ name: String, fallback: String, purpose: String) -> Setting {
        Setting(
            name, fallback: fallback, takes: "permission bits in octal, 0600 to 0777",
            purpose: purpose
        ) { text in
            guard text.utf8.allSatisfy({ (0x30...0x37).contains($0) }),
                let value = Int(text, radix: 8), (0o600...0o777).contains(value)
            else { return nil }
            return value
        }
    }
}

extension Setting where Value == Duration {
    /// Seconds, with up to three decimals.
    public static func seconds(
        _ name: String, fallback: String, in range: ClosedRange<Int>, purpose: String
    ) -> Setting {
        Setting(
            name, fallback: fallback,
            takes: "seconds from \(range.lowerBound) to \(range.upperBound), such as 1 or 0.25",
            purpose: purpose
        ) { text in
            let parts = text.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count <= 2, let whole = plainNumber(parts[0]), whole <= 1_000_000
            else { return nil }
            var milliseconds = whole * 1_000
            if parts.count == 2 {
                guard (1...3).contains(parts[1].count), let decimals = plainNumber(parts[1])
                else { return nil }
                milliseconds += decimals * [100, 10, 1][parts[1].count - 1]
            }
            let bounds = (range.lowerBound * 1_000)...(range.upperBound * 1_000)
            return bounds.contains(milliseconds) ? .milliseconds(milliseconds) : nil
        }
    }
}

extension Setting where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
    /// One of some words.
    public static func choice(_ name: String, fallback: Value, purpose: String) -> Setting {
        let words = Value.allCases.map(\.rawValue).joined(separator: " or ")
        return Setting(name, fallback: fallback.rawValue, takes: words, purpose: purpose) { text in
            Value(rawValue: text)
        }
    }
}

extension Setting where Value == Logger.Level {
    /// A level of swift-log.
    public static func logLevel(_ name: String, fallback: Logger.Level, purpose: String) -> Setting
    {
        let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
        return Setting(
            name, fallback: fallback.rawValue, takes: "one of \(levels)", purpose: purpose
        ) { text in
            Logger.Level(rawValue: text)
        }
    }
}

/// Plain decimal digits, nothing else; nil past `Int`.
private func plainNumber(_ text: some StringProtocol) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(text)
}
