import Service
import TreeDaemon

/// What mserv2 reads from its environment.
struct SearchConfiguration {
    let daemon: TreeDaemonConfiguration
    /// How long one walk through the tree may take.
    let walkBudget: Duration

    private static let walkBudgetSetting = Setting.seconds(
        "PASARELA_WALK_BUDGET", fallback: "5", in: 0...3_600,
        purpose: "how long a search may walk; past it the answer says that it is not complete")

    init(_ settings: Settings) throws(Settings.Flaw) {
        daemon = try TreeDaemonConfiguration(settings, socket: \.mserv2Socket)
        walkBudget = try settings.value(Self.walkBudgetSetting)
    }

    static var table: SettingTable {
        var table = TreeDaemonConfiguration.table(.ofProcess(), socket: \.mserv2Socket)
        table.add(walkBudgetSetting)
        return table
    }
}
