private import Glibc

/// The environment that a service reads its settings from.
///
/// Absent: the default. Present but unreadable: an error in one line that names the variable, what it got and what it
/// takes. So that one `EnvironmentFile=` may serve all three, each service ignores the others' variables, but no
/// variable that none of them knows.
public struct Settings: Sendable {
    /// A setting that can't be used.
    public struct Flaw: Error, Sendable, CustomStringConvertible {
        /// For the operator; what it quotes stands as it is (``LogText/escaped(_:)``).
        public let description: String

        /// A flaw of a variable.
        public init(_ name: String, _ value: String, takes: String) {
            description = "\(name)=\(value): takes \(takes)"
        }

        /// A flaw that is not about a value's form.
        public init(_ name: String, _ problem: String) {
            description = "\(name): \(problem)"
        }
    }

    let environment: [String: String]

    /// Settings from an environment.
    public init(_ environment: [String: String]) {
        self.environment = environment
    }

    /// Settings from this process's environment.
    public static func ofProcess() -> Settings {
        var environment: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let pair = String(cString: entry).split(separator: "=", maxSplits: 1)
            if pair.count == 2 {
                environment[String(pair[0])] = String(pair[1])
            } else if pair.count == 1 {
                environment[String(pair[0])] = ""
            }
            next += 1
        }
        return Settings(environment)
    }

    /// The value of a setting.
    public func value<Value>(_ setting: Setting<Value>) throws(Flaw) -> Value {
        guard let text = environment[setting.name] ?? setting.fallback else {
            throw Flaw(setting.name, "is not set; takes \(setting.takes)")
        }
        guard let value = setting.parse(text) else {
            throw Flaw(setting.name, text, takes: setting.takes)
        }
        return value
    }

    /// Refuses variables that look like ours and are none: a typing error must not pass in silence.
    public func refuseUnknown() throws(Flaw) {
        let unknown = environment.keys.filter {
            $0.hasPrefix("PASARELA_") && !SharedSettings.allNames.contains($0)
        }
        guard let first = unknown.min() else { return }
        throw Flaw(first, "is no setting of Pasarela; see --help")
    }

    /// A variable that is not Pasarela's own.
    public subscript(foreign name: String) -> String? {
        environment[name]
    }
}
