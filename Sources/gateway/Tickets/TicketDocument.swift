import Backlog
import FileModel
import Threads

/// A ticket as a client sees it: a document, or a page that goes on by itself.
enum TicketDocument {
    /// The answer that shows a ticket.
    ///
    /// - Parameter problem: why it failed, where it has.
    static func answer(
        _ ticket: Ticket, problem: Problem? = nil, as form: Representation, in language: Language
    ) -> Answer {
        var answer: Answer
        switch form {
        case .json, .ndjson, .text:
            answer = Answer(json: json(ticket, problem, language), language: language)
        case .html: answer = Answer(html: page(ticket, problem, language), language: language)
        }
        answer.isTagged = false
        if ticket.state == .waiting {
            answer.headers.append(("Retry-After", String(retryAfter(ticket))))
        }
        return answer
    }

    /// Where a ticket is.
    static func path(_ ticket: Ticket) -> String { "/solicitudes/\(ticket.id)" }

    /// After how many seconds to ask again: a tenth of what the ticket has waited so far, 1…10.
    static func retryAfter(_ ticket: Ticket) -> Int {
        let age = WallClock.now - ticket.created
        return Int(min(max(age / 10_000, 1), 10))
    }

    private static func json(
        _ ticket: Ticket, _ problem: Problem?, _ language: Language
    ) -> [UInt8] {
        var json = JSONText()
        json.raw("{\"solicitud\":{\"id\":")
        json.string("\(ticket.id)")
        json.raw(",\"estado\":")
        json.string(state(ticket))
        json.time(time(ticket.created), after: ",\"creada\":")
        json.time(time(ticket.expires), after: ",\"caduca\":")
        if let problem {
            json.raw(",\"problema\":")
            ProblemAnswer.append(problem, uuid: nil, language, to: &json)
        }
        json.raw("}}\n")
        return json.takeBytes()
    }

    private static func state(_ ticket: Ticket) -> String {
        switch ticket.state {
        case .waiting: ticket.isBeingProcessed ? "en_proceso" : "en_espera"
        case .answered: "lista"
        case .failed: "fallida"
        // Neither is shown: they are problems of their own.
        case .deleted, .expired: "caducada"
        }
    }

    static func time(_ milliseconds: Int64) -> Timestamp {
        let seconds = milliseconds >= 0 ? milliseconds / 1_000 : (milliseconds - 999) / 1_000
        let rest = milliseconds - seconds * 1_000
        return Timestamp(seconds: seconds, nanoseconds: UInt32(rest) * 1_000_000)
    }

    private static func page(
        _ ticket: Ticket, _ problem: Problem?, _ language: Language
    ) -> [UInt8] {
        let title =
            problem.map { $0.code.title[language] }
            ?? Text("Tu petición espera", "Your request is waiting")[language]
        var frame = PageFrame(language: language, title: title)
        if ticket.state == .waiting { frame.refresh = (retryAfter(ticket), path(ticket)) }
        frame.showsTimes = true
        return frame.page { html in
            html.raw("<section class=\"problema\">\n<h1>")
            html.text(title)
            html.raw("</h1>\n<p>")
            html.text(explanation(ticket, problem, language))
            html.raw("</p>\n<p class=\"menor\">")
            html.text(Text("Solicitud ", "Ticket ")[language])
            html.raw("<a href=\"")
            html.text(path(ticket))
            html.raw("\"><code>")
            html.text("\(ticket.id)")
            html.raw("</code></a> · ")
            html.text(Text("se guarda hasta el ", "kept until ")[language])
            if let civil = time(ticket.expires).civil {
                html.text(PeopleText.time(civil, language))
            }
            html.raw("</p>\n</section>\n")
        }
    }

    private static func explanation(
        _ ticket: Ticket, _ problem: Problem?, _ language: Language
    ) -> String {
        if let problem { return problem.detail[language] }
        if ticket.state == .answered {
            return Text("La respuesta está lista.", "The answer is ready.")[language]
        }
        return Text(
            "El servicio que la responde está parado. La petición está guardada y se responderá en cuanto "
                + "vuelva; esta página se actualiza sola.",
            "The service that answers it is stopped. The request is kept and will be answered as soon as it "
                + "is back; this page updates itself.")[language]
    }
}
