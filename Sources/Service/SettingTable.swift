/// The part of `--help` that names each variable with its default.
public struct SettingTable {
    private var rows: [(name: String, text: String)] = []

    /// No rows.
    public init() {}

    /// Adds a setting.
    public mutating func add<Value>(_ setting: Setting<Value>) {
        let fallback = setting.fallback.map { "default \($0)" } ?? "must be set"
        rows.append((setting.name, "\(setting.purpose): \(setting.takes); \(fallback)"))
    }

    /// The rows as text.
    public var text: String {
        let width = rows.map(\.name.count).max() ?? 0
        return (["ENVIRONMENT:"]
            + rows.map { row in
                "  \(row.name)\(String(repeating: " ", count: width - row.name.count))  \(row.text)"
            }).joined(separator: "\n")
    }
}
