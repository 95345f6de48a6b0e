import Backlog

/// How all parts are, for whoever decides whether to send requests here.
struct Readiness {
    /// Each daemon's name, and whether it says that it serves.
    let daemons: [(name: String, isWell: Bool)]
    let backlog: BacklogFigures

    /// 200; 503 where a daemon is absent.
    var answer: Answer {
        let absent = daemons.filter { !$0.isWell }.map(\.name)
        var answer = Answer(json: json(isReady: absent.isEmpty))
        answer.isNegotiated = false
        answer.isTagged = false
        if !absent.isEmpty {
            answer.status = 503
            answer.headers.append(("Retry-After", "1"))
            answer.cause = "absent: \(absent.joined(separator: ", "))"
        }
        return answer
    }

    private func json(isReady: Bool) -> [UInt8] {
        let isWhole = isReady && backlog.storeState == .open && !hasNoBroker
        var json = JSONText()
        json.raw(isWhole ? "{\"estado\":\"bien\"" : "{\"estado\":\"degradado\"")
        json.raw(",\"partes\":{")
        for daemon in daemons {
            json.string(daemon.name)
            json.raw(daemon.isWell ? ":{\"estado\":\"bien\"}," : ":{\"estado\":\"ausente\"},")
        }
        json.raw("\"backlog\":{\"estado\":")
        switch backlog.storeState {
        case .open: json.raw("\"bien\"")
        case .full: json.raw("\"lleno\"")
        case .broken: json.raw("\"ausente\"")
        }
        json.raw(",\"en_espera\":")
        json.number(backlog.waiting.values.reduce(0, +))
        json.raw("}")
        if backlog.brokerState != .none {
            json.raw(",\"rabbitmq\":{\"estado\":")
            json.raw(hasNoBroker ? "\"ausente\"}" : "\"bien\"}")
        }
        json.raw("}}\n")
        return json.takeBytes()
    }

    /// A broker is configured and can't be reached.
    private var hasNoBroker: Bool {
        if case .disconnected = backlog.brokerState { true } else { false }
    }
}
