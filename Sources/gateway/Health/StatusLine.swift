import Backlog

/// What `systemctl status gateway` shows: one line, by which an operator sees what is missing.
struct StatusLine: Sendable {
    var requests: Int
    var daemons: [(name: String, isWell: Bool)]
    var figures: BacklogFigures

    var text: String {
        let waiting = figures.waiting.values.reduce(0, +)
        var parts = [Self.counted(requests, "request") + " answered"]
        parts += daemons.map { "\($0.name) \($0.isWell ? "well" : "absent")" }
        parts.append(Self.counted(waiting, "ticket") + (waiting == 1 ? " waits" : " wait"))
        switch figures.brokerState {
        case .none: break
        case .connected: parts.append("RabbitMQ in use")
        case .disconnected: parts.append("RabbitMQ absent")
        }
        return parts.joined(separator: "; ")
    }

    private static func counted(_ count: Int, _ what: String) -> String {
        "\(count) \(what)\(count == 1 ? "" : "s")"
    }
}
