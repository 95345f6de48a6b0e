/// The part of `--help` that names each variable with its default.
public struct SettingTable {
    private var lines = ["ENVIRONMENT:"]

    /// The file that may hold the others.
    public init() {
        add(Settings.file)
    }

    /// Adds a setting.
    public mutating func add<Value>(_ setting: Setting<Value>) {
        let fallback =
            setting.fallback.map { $0.isEmpty ? "may be left out" : "default \($0)" }
            ?? "must be set"
        // Short lines: the help is wrapped at 80 columns, without regard for what is set off.
        lines += ["  \(setting.name)", "      \(setting.purpose)"]
        let values = "      \(setting.takes); \(fallback)"
        lines += values.count <= 80 ? [values] : ["      \(setting.takes)", "      \(fallback)"]
    }

    /// The rows as text.
    public var text: String {
        lines.joined(separator: "\n")
    }
}
