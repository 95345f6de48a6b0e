import ArgumentParser
import Backlog
import RPC

extension BacklogCommand {
    /// `gateway backlog list`.
    struct List: BacklogSubcommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists tickets, oldest first.")

        @Option(help: "Only tickets in this state.")
        var state: TicketState?
        @Option(
            help: ArgumentHelp("Only those behind this ticket.", valueName: "ticket"),
            transform: ticketID)
        var after: TicketID?
        @Option(help: "How many, 1 to 100000.")
        var limit = 100
        @Flag(help: "As JSON.")
        var json = false

        func validate() throws {
            guard (1...100_000).contains(limit) else {
                throw ValidationError("--limit takes a number from 1 to 100000")
            }
        }

        func report(from client: BacklogClient) throws(RPCError) -> Report {
            let (tickets, hasMore) = try client.list(
                state: state, after: after, limit: limit)
            if json { return Report(text: TicketReport.json(tickets, hasMore: hasMore)) }
            var report = Report(text: TicketReport.table(tickets))
            if hasMore, let last = tickets.last {
                report.note = "there are more: --after \(last.id)"
            } else if tickets.isEmpty {
                report.note = "no such tickets"
            }
            return report
        }
    }

    /// `gateway backlog show`.
    struct Show: BacklogSubcommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows one ticket, and how it ended.")

        @OptionGroup var ticket: OneTicket

        func report(from client: BacklogClient) throws(RPCError) -> Report {
            let details = try client.details(ticket.id)
            return Report(
                text: ticket.json ? TicketReport.json(details) : TicketReport.lines(details))
        }
    }

    /// `gateway backlog retry`.
    struct Retry: BacklogSubcommand {
        static let configuration = CommandConfiguration(
            abstract: "Has a failed ticket, or one that pauses, tried again at once.")

        @OptionGroup var ticket: OneTicket

        func report(from client: BacklogClient) throws(RPCError) -> Report {
            let id = ticket.id
            try client.retry(id)
            return Report(
                text: ticket.json
                    ? "{\"id\":\"\(id)\",\"state\":\"waiting\"}\n" : "ticket \(id) waits again\n")
        }
    }

    /// `gateway backlog purge`.
    struct Purge: BacklogSubcommand {
        static let configuration = CommandConfiguration(
            abstract: "Forgets all tickets in some states, as if their clients had deleted them.")

        /// What can be forgotten: deleted and expired tickets hold nothing any more.
        static let states: [TicketState] = [.waiting, .answered, .failed]

        @Argument(
            help: ArgumentHelp("Which tickets, one state or more.", valueName: "state"),
            completion: .list(states.map(\.rawValue)))
        var states: [TicketState]
        @Flag(help: "As JSON.")
        var json = false

        func validate() throws {
            guard states.allSatisfy(Self.states.contains) else {
                let words = Self.states.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("what can be forgotten is: \(words)")
            }
        }

        func report(from client: BacklogClient) throws(RPCError) -> Report {
            let count = try client.purge(Set(states))
            return Report(
                text: json
                    ? "{\"purged\":\(count)}\n"
                    : "\(count) \(count == 1 ? "ticket" : "tickets") forgotten\n")
        }
    }

    /// What the subcommands take that are about one ticket.
    struct OneTicket: ParsableArguments {
        @Argument(
            help: ArgumentHelp("Its id.", valueName: "ticket"), transform: ticketID)
        var id: TicketID
        @Flag(help: "As JSON.")
        var json = false
    }

    /// Reads a ticket's id.
    @Sendable static func ticketID(_ text: String) throws -> TicketID {
        guard let id = TicketID(text) else {
            throw ValidationError("a ticket's id has 32 lower-case hex digits")
        }
        return id
    }
}
