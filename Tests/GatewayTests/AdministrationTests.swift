import ArgumentParser
import Backlog
import Foundation
import Glibc
import Logging
import Service
import Synchronization
import TestSupport
import Testing

@testable import gateway

/// `gateway backlog` and the server that answers it, with a real backlog between them.
@Suite struct AdministrationTests {
    /// A gateway as far as its operator's commands need one.
    private final class Gateway: Sendable {
        let folder: TemporaryFolder
        let backlog: Backlog
        let server: ControlServer
        var socket: String { "\(folder.path)/control.sock" }
        var settings: Settings { Settings(["PASARELA_CONTROL_SOCKET": socket]) }
        private let attempts = Attempts()

        /// What the daemons answer, by service; who is not here is absent.
        private final class Attempts: Sendable {
            let byService = Mutex<[String: Attempt]>([:])
        }

        init() throws {
            folder = try TemporaryFolder()
            let configuration = BacklogConfiguration(
                folder: folder.path, services: ["mserv1", "mserv2"], attemptsMax: 1)
            var log = Logger(label: "test")
            log.logLevel = .critical
            backlog = try Backlog(configuration, log: log) { [attempts] (service, _, _) in
                attempts.byService.withLock { $0[service] ?? .unavailable }
            }
            server = ControlServer(
                backlog: backlog,
                socket: try ListeningSocket(
                    path: "\(folder.path)/control.sock", mode: ControlServer.mode),
                refused: { _ in })
            try backlog.start()
            try server.start()
        }

        /// Has a daemon come back with an answer, and waits until a ticket has it.
        func answer(_ service: String, _ attempt: Attempt, until ticket: Ticket) throws -> Ticket {
            attempts.byService.withLock { $0[service] = attempt }
            backlog.tell(service, isWell: true)
            let ended = try backlog.ticket(
                ticket.id, changedFrom: .waiting, within: .seconds(20))
            backlog.tell(service, isWell: false)
            return try #require(ended)
        }

        deinit {
            server.stop()
            backlog.stop()
        }
    }

    private let gateway: Gateway

    init() throws {
        gateway = try Gateway()
    }

    private func accept(_ service: String = "mserv1", query: String = "ruta=/a") throws -> Ticket {
        let request = ListRequest(
            page: service == "mserv1" ? .list : .search, query: Array(query.utf8), form: .json,
            language: .spanish)
        let identity = RequestIdentity(
            id: "request-1", uuid: "00000000-0000-4000-8000-000000000001", traceparent: nil)
        return try gateway.backlog.accept(
            service: service, request: try KeptRequest(request, of: identity).bytes(),
            answerBytes: 1_000)
    }

    /// Runs a subcommand as the command line does.
    private func report(_ arguments: String...) throws -> String {
        let command = try BacklogCommand.parseAsRoot(arguments)
        let subcommand = try #require(command as? any BacklogSubcommand)
        return try subcommand.report(gateway.settings).text
    }

    /// How a subcommand fails: its exit status and its line.
    private func failure(
        _ arguments: [String], _ settings: Settings? = nil
    ) throws -> BacklogCommand.Failure? {
        let command = try BacklogCommand.parseAsRoot(arguments)
        let subcommand = try #require(command as? any BacklogSubcommand)
        do throws(BacklogCommand.Failure) {
            _ = try subcommand.report(settings ?? gateway.settings)
            return nil
        } catch {
            return error
        }
    }

    private func json(_ arguments: String...) throws -> [String: Any] {
        let command = try BacklogCommand.parseAsRoot(arguments)
        let subcommand = try #require(command as? any BacklogSubcommand)
        let text = try subcommand.report(gateway.settings).text
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8))
        return try #require(object as? [String: Any])
    }

    /// The answer that a daemon's failure becomes.
    private func failed() throws -> Attempt {
        var problem = Problem(.internalError)
        problem.cause = "mserv1: INTERNAL"
        var answer = Answer(json: Array("{}".utf8))
        answer.status = 500
        return .failed(try KeptAnswer(answer, problem: problem).bytes())
    }

    @Test func `a ticket is listed, oldest first, one a line`() throws {
        let first = try accept()
        let second = try accept("mserv2")
        let lines = try report("list").split(separator: "\n").map { $0.split(separator: " ") }
        #expect(
            lines.first?.map(String.init) == [
                "TICKET", "DAEMON", "STATE", "CREATED", "EXPIRES", "FAILURES", "BYTES", "GATEWAY",
            ])
        let rows = lines.dropFirst().map { $0.map(String.init) }
        #expect(Set(rows.map { $0[0] }) == ["\(first.id)", "\(second.id)"])
        let row = try #require(rows.first { $0[0] == "\(first.id)" })
        #expect(row[1] == "mserv1" && row[2] == "waiting" && row[5] == "0" && row[7] == "own")
        #expect(row[3].wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/) != nil)
        #expect(Int(row[6]) == first.requestBytes)
    }

    @Test func `the table has straight columns, and no space at the end of a line`() throws {
        for _ in 0..<3 { _ = try accept() }
        let lines = try report("list").split(separator: "\n")
        let columns = lines.map { line in
            line.ranges(of: "  ").count
        }
        #expect(Set(lines.map(\.count)).count <= 2 && columns.allSatisfy { $0 >= 7 })
        #expect(lines.allSatisfy { $0.last != " " })
        #expect(lines[0].hasPrefix("TICKET" + String(repeating: " ", count: 28) + "DAEMON  "))
    }

    @Test func `nothing is there: nothing on standard output, a word beside it`() throws {
        let command = try #require(
            try BacklogCommand.parseAsRoot(["list"]) as? any BacklogSubcommand)
        let report = try command.report(gateway.settings)
        #expect(report.text.isEmpty && report.note == "no such tickets")
    }

    @Test func `the list can be had state by state and piece by piece`() throws {
        let answered = try gateway.answer(
            "mserv2", .answered(try KeptAnswer(Answer(json: [])).bytes()),
            until: try accept("mserv2"))
        let waiting = try (0..<3).map { _ in try accept().id.description }
        func ids(_ arguments: String...) throws -> [String] {
            let command = try BacklogCommand.parseAsRoot(["list", "--json"] + arguments)
            let subcommand = try #require(command as? any BacklogSubcommand)
            let text = try subcommand.report(gateway.settings).text
            let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
            let tickets = try #require(object?["tickets"] as? [[String: Any]])
            return tickets.compactMap { $0["id"] as? String }
        }
        #expect(try ids("--state", "answered") == [answered.id.description])
        let all = try ids("--state", "waiting")
        #expect(Set(all) == Set(waiting))
        #expect(try ids("--state", "waiting", "--limit", "2") == Array(all.prefix(2)))
        #expect(try ids("--state", "waiting", "--after", all[1]) == [all[2]])
        #expect(try json("list", "--json", "--limit", "2")["more"] as? Bool == true)
        #expect(try json("list", "--json", "--limit", "4")["more"] as? Bool == false)
    }

    @Test func `a long list is put together from many answers`() throws {
        let count = BacklogProtocol.ticketsMax + 30
        let backlog = gateway.backlog
        concurrently(
            (0..<10).map { part -> @Sendable () -> Void in
                {
                    for _ in 0..<(count / 10) {
                        #expect(throws: Never.self) {
                            try backlog.accept(service: "mserv1", request: [1], answerBytes: 1_000)
                        }
                    }
                }
            })
        let client = BacklogClient(path: gateway.socket)
        let (tickets, hasMore) = try client.list(state: nil, after: nil, limit: 100_000)
        #expect(tickets.count == count && !hasMore)
        #expect(Set(tickets.map(\.id)).count == count)
        #expect(zip(tickets, tickets.dropFirst()).allSatisfy { $0.created <= $1.created })
        let piece = try client.list(state: nil, after: nil, limit: count - 1)
        #expect(piece.tickets == Array(tickets.dropLast()) && piece.hasMore)
    }

    @Test func `a ticket that waits is shown without an answer`() throws {
        let ticket = try accept()
        let shown = try report("show", "\(ticket.id)")
        #expect(shown.contains("\nstate          waiting\n"))
        #expect(shown.contains("\nrequest bytes  \(ticket.requestBytes)\n"))
        let object = try json("show", "\(ticket.id)", "--json")
        #expect(object["id"] as? String == ticket.id.description)
        #expect(object["state"] as? String == "waiting" && object["status"] == nil)
        #expect(object["being_processed"] as? Bool == false && object["changed"] == nil)
    }

    @Test func `a failed ticket is shown with its request and its problem`() throws {
        let ticket = try gateway.answer("mserv1", try failed(), until: try accept())
        #expect(ticket.state == .failed)
        let shown = try report("show", "\(ticket.id)")
        #expect(shown.contains("\nrequest        /listar_archivos?ruta=/a\n"))
        #expect(shown.contains("\nproblem        error_interno\n"))
        let object = try json("show", "\(ticket.id)", "--json")
        #expect(object["state"] as? String == "failed" && object["status"] as? Int == 500)
        #expect(object["request_id"] as? String == "request-1")
        #expect(object["failures"] as? Int == 1 && object["changed"] is String)
    }

    @Test func `what is kept but can not be read is left out`() throws {
        let ticket = try gateway.backlog.accept(
            service: "mserv1", request: [0xFF], answerBytes: 1_000)
        _ = try gateway.answer("mserv1", .answered([0xFF, 0xFF]), until: ticket)
        let object = try json("show", "\(ticket.id)", "--json")
        #expect(object["status"] == nil && object["target"] as? String == "")
    }

    @Test func `a failed ticket that is retried waits, and is answered`() throws {
        let ticket = try gateway.answer("mserv1", try failed(), until: try accept())
        #expect(try report("retry", "\(ticket.id)") == "ticket \(ticket.id) waits again\n")
        #expect(try gateway.backlog.ticket(ticket.id)?.state == .waiting)
        let ended = try gateway.answer(
            "mserv1", .answered(try KeptAnswer(Answer(json: [])).bytes()), until: ticket)
        #expect(ended.state == .answered && ended.failures == 0)
        let refused = try failure(["retry", "\(ticket.id)"])
        #expect(refused?.status == 1)
        #expect(refused?.message == "ticket \(ticket.id) is answered: nothing to retry")
    }

    @Test func `a ticket that waits already may be retried`() throws {
        let ticket = try accept()
        #expect(
            try json("retry", "\(ticket.id)", "--json")["state"] as? String == "waiting")
    }

    @Test func `purge forgets what is in the states that it is given, and nothing else`() throws {
        let failed = try gateway.answer("mserv1", try failed(), until: try accept())
        let answered = try gateway.answer(
            "mserv2", .answered(try KeptAnswer(Answer(json: [])).bytes()),
            until: try accept("mserv2"))
        let waiting = try accept()
        #expect(try report("purge", "failed") == "1 ticket forgotten\n")
        #expect(try failure(["show", "\(failed.id)"])?.status == 1)
        #expect(try gateway.backlog.ticket(answered.id)?.state == .answered)
        #expect(try json("purge", "answered", "waiting", "--json")["purged"] as? Int == 2)
        #expect(try gateway.backlog.ticket(waiting.id) == nil)
        #expect(try report("purge", "failed", "answered") == "0 tickets forgotten\n")
    }

    @Test(arguments: [
        [], ["purge"], ["purge", "all"], ["purge", "deleted"], ["purge", "expired"], ["show"],
        ["show", "1"],
        ["show", "0123456789ABCDEF0123456789ABCDEF"], ["retry", ""], ["list", "--state", "lost"],
        ["list", "--limit", "0"], ["list", "--limit", "100001"], ["list", "--after", "1"],
    ])
    func `what makes no sense is refused before the gateway is asked`(arguments: [String]) throws {
        #expect(throws: (any Error).self) {
            let command = try BacklogCommand.parseAsRoot(arguments)
            // The command alone is no fault: it shows its help.
            if !(command is any BacklogSubcommand) { throw CleanExit.helpRequest() }
        }
    }

    @Test(arguments: ["show", "retry"])
    func `an unknown ticket is one line and status 1`(name: String) throws {
        let id = TicketID()
        let failure = try failure([name, "\(id)"])
        #expect(failure?.status == 1 && failure?.message == "there is no ticket \(id)")
    }

    @Test func `no gateway is one line that says where it was looked for, and status 69`() throws {
        let nowhere = Settings(["PASARELA_CONTROL_SOCKET": "\(gateway.folder.path)/none.sock"])
        for arguments in [["list"], ["show", "\(TicketID())"], ["purge", "failed"]] {
            let failure = try failure(arguments, nowhere)
            #expect(failure?.status == 69)
            #expect(
                failure?.message.hasPrefix(
                    "no gateway answers at \(gateway.folder.path)/none.sock ") == true)
            #expect(failure?.message.contains("\n") == false)
        }
    }

    @Test func `a gateway that stops answers no more, and takes its socket away`() throws {
        gateway.server.stop()
        #expect(try failure(["list"])?.status == 69)
        #expect(access(gateway.socket, F_OK) != 0)
    }

    @Test func `a backlog that has stopped is no gateway either`() throws {
        gateway.backlog.stop()
        #expect(try failure(["list"])?.status == 69)
    }

    @Test func `a variable that is wrong is one line and status 78`() throws {
        for settings in [
            ["PASARELA_CONTROL_SOCKET": "relative"],
            ["PASARELA_CONTROL_SOCKET": "/" + String(repeating: "s", count: 107)],
            ["PASARELA_CONTROL_SOCKTE": "/tmp/x"],
        ] {
            #expect(try failure(["list"], Settings(settings))?.status == 78)
        }
    }

    @Test func `the socket is for the gateway's own user`() throws {
        var status = stat()
        #expect(stat(gateway.socket, &status) == 0 && status.st_mode & 0o7777 == 0o600)
    }

    @Test func `a second gateway leaves the first one's socket alone`() throws {
        #expect(throws: ListeningSocket.Failure.self) {
            try ListeningSocket(path: gateway.socket, mode: ControlServer.mode)
        }
        #expect(try failure(["list"]) == nil)
    }
}
