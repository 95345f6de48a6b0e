import Backlog

extension BacklogFigures {
    /// Appends the families about tickets and the broker.
    ///
    /// - Parameter now: milliseconds since 1970.
    func append(to text: inout MetricsText, now: Int64) {
        appendTickets(to: &text, now: now)
        appendBroker(to: &text)
    }

    private func appendTickets(to text: inout MetricsText, now: Int64) {
        text.family("pasarela_tickets_waiting", .gauge, "Tickets that wait for their daemon.")
        for (service, count) in waiting.sorted(by: { $0.key < $1.key }) {
            text.sample([("daemon", service)], count)
        }
        text.family(
            "pasarela_oldest_waiting_ticket_age_seconds", .gauge,
            "Age of the oldest ticket that waits; 0 where none does.")
        // A clock that was set back makes no ticket younger than nothing.
        text.sample(seconds: .milliseconds(oldestWaiting.map { max(now - $0, 0) } ?? 0))
        text.family("pasarela_backlog_stored_bytes", .gauge, "Bytes that tickets take.")
        text.sample([], storedBytes)
        text.family(
            "pasarela_tickets_unannounced", .gauge,
            "Changes of tickets that the broker has not confirmed yet.")
        text.sample([], unannounced)
        let counters: [(String, StaticString, Int)] = [
            ("accepted", "Tickets accepted here.", accepted),
            ("refused", "Requests that found the backlog full.", refused),
            ("replayed", "Own tickets answered by the own daemons.", replayed),
            ("helped", "Own tickets answered by other gateways of the tree.", helped),
            ("helping", "Tickets of other gateways answered here.", helping),
            ("failed", "Tickets that ended with their daemon's failure.", failed),
            ("expired", "Tickets that nobody answered in time.", expired),
            ("deleted", "Tickets that were deleted.", deleted),
            ("dropped", "News of other gateways for which there was no room or no time.", dropped),
        ]
        for (name, help, value) in counters {
            text.family("pasarela_tickets_\(name)_total", .counter, help)
            text.sample([], value)
        }
    }

    private func appendBroker(to text: inout MetricsText) {
        text.family(
            "pasarela_broker_state", .gauge, "1 for the state that the broker's connection is in.")
        let state =
            switch brokerState {
            case .none: "none"
            case .connected: "connected"
            case .disconnected: "disconnected"
            }
        for name in ["none", "connected", "disconnected"] {
            text.sample([("state", name)], name == state ? 1 : 0)
        }
        text.family(
            "pasarela_broker_publishes_total", .counter,
            "Messages published, by what became of them.")
        text.sample([("outcome", "confirmed")], confirmed)
        text.sample([("outcome", "returned")], returned)
        text.sample([("outcome", "rejected")], rejected)
    }
}
