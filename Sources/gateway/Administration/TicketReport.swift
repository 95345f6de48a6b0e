import Backlog
import FileModel

/// Tickets as the operator reads them: a table, lines, or JSON.
enum TicketReport {
    /// A line a ticket, in columns.
    static func table(_ tickets: [Ticket]) -> String {
        let head = [
            "TICKET", "DAEMON", "STATE", "CREATED", "EXPIRES", "FAILURES", "BYTES", "GATEWAY",
        ]
        let rows = tickets.map { ticket in
            [
                ticket.id.description, shown(ticket.service), state(of: ticket),
                time(ticket.created), time(ticket.expires), String(ticket.failures),
                String(ticket.requestBytes + ticket.answerBytes), ticket.isOwn ? "own" : "other",
            ]
        }
        guard !rows.isEmpty else { return "" }
        let numbers: Set = [5, 6]
        let widths = head.indices.map { column in
            ([head] + rows).map { $0[column].count }.max() ?? 0
        }
        return ([head] + rows).map { row in
            let cells = row.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return numbers.contains(column) ? space + cell : cell + space
            }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }

    /// A ticket in full, a field a line.
    static func lines(_ details: BacklogClient.Details) -> String {
        let ticket = details.ticket
        var fields = [
            ("ticket", ticket.id.description), ("daemon", shown(ticket.service)),
            ("state", state(of: ticket)), ("created", time(ticket.created)),
            ("expires", time(ticket.expires)),
        ]
        if let changed = ticket.changed { fields.append(("changed", time(changed))) }
        fields += [
            ("failures", String(ticket.failures)),
            ("accepted by", ticket.isOwn ? "this gateway" : "another gateway"),
            ("request bytes", String(ticket.requestBytes)),
            ("answer bytes", String(ticket.answerBytes)),
        ]
        if let answer = details.answer {
            fields += [
                ("request", shown(answer.target)), ("request id", shown(answer.requestID)),
            ]
            if answer.status > 0 { fields.append(("status", String(answer.status))) }
            if !answer.problem.isEmpty {
                fields += [("problem", shown(answer.problem)), ("detail", shown(answer.detail))]
            }
        }
        let width = fields.map(\.0.count).max() ?? 0
        return fields.map { name, value in
            "\(name)\(String(repeating: " ", count: width - name.count))  \(value)\n"
        }.joined()
    }

    /// The tickets, and whether there are more behind them.
    static func json(_ tickets: [Ticket], hasMore: Bool) -> String {
        var json = JSONText()
        json.raw("{\"tickets\":[")
        for (index, ticket) in tickets.enumerated() {
            json.raw(index == 0 ? "\n" : ",\n")
            append(ticket, to: &json)
            json.raw("}")
        }
        json.raw(hasMore ? "\n],\"more\":true}\n" : "\n],\"more\":false}\n")
        return String(decoding: json.takeBytes(), as: UTF8.self)
    }

    /// A ticket in full.
    static func json(_ details: BacklogClient.Details) -> String {
        var json = JSONText()
        append(details.ticket, to: &json)
        if let answer = details.answer {
            json.raw(",\"target\":")
            json.string(answer.target)
            json.raw(",\"request_id\":")
            json.string(answer.requestID)
            if answer.status > 0 {
                json.raw(",\"status\":")
                json.number(answer.status)
            }
            if !answer.problem.isEmpty {
                json.raw(",\"problem\":")
                json.string(answer.problem)
                json.raw(",\"detail\":")
                json.string(answer.detail)
            }
        }
        json.raw("}\n")
        return String(decoding: json.takeBytes(), as: UTF8.self)
    }

    /// All of the object but its end.
    private static func append(_ ticket: Ticket, to json: inout JSONText) {
        json.raw("{\"id\":")
        json.string(ticket.id.description)
        json.raw(",\"service\":")
        json.string(ticket.service)
        json.raw(",\"state\":")
        json.string(ticket.state.rawValue)
        json.time(timestamp(ticket.created), after: ",\"created\":")
        json.time(timestamp(ticket.expires), after: ",\"expires\":")
        if let changed = ticket.changed { json.time(timestamp(changed), after: ",\"changed\":") }
        json.raw(",\"failures\":")
        json.number(ticket.failures)
        json.raw(ticket.isOwn ? ",\"own\":true" : ",\"own\":false")
        json.raw(
            ticket.isBeingProcessed ? ",\"being_processed\":true" : ",\"being_processed\":false")
        json.raw(",\"request_bytes\":")
        json.number(ticket.requestBytes)
        json.raw(",\"answer_bytes\":")
        json.number(ticket.answerBytes)
    }

    private static func state(of ticket: Ticket) -> String {
        ticket.state == .waiting && ticket.isBeingProcessed
            ? "being processed" : ticket.state.rawValue
    }

    private static func timestamp(_ milliseconds: Int64) -> Timestamp {
        TicketDocument.time(milliseconds)
    }

    /// `2026-11-20T10:31:07Z`.
    private static func time(_ milliseconds: Int64) -> String {
        var text: [UInt8] = []
        guard timestamp(milliseconds).appendRFC3339(to: &text) else { return String(milliseconds) }
        return String(decoding: text.prefix(19) + [UInt8(ascii: "Z")], as: UTF8.self)
    }

    /// Text that may come from a client: what a terminal would act on is written as `\u{…}`.
    static func shown(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse,
                .unassigned:
                result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
