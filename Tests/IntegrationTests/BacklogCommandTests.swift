import Foundation
import Testing

/// Tickets as their operator sees them: by `gateway backlog` and in `/metricas`.
@Suite struct BacklogCommandTests {
    private func backlog(
        _ pasarela: RunningPasarela, _ arguments: String...
    ) throws -> CommandResult {
        try run(
            [Repository.binaries.appending(path: "gateway").path, "backlog"] + arguments,
            environment: ["PASARELA_RUNTIME_DIR": pasarela.runtimeFolder], seconds: 20)
    }

    /// The value of a sample in `/metricas`.
    private func figure(_ pasarela: RunningPasarela, _ sample: String) throws -> String? {
        let answer = try pasarela.curl("/metricas")
        #expect(answer.status == 200)
        let line = answer.body.split(separator: "\n").first { $0.hasPrefix(sample + " ") }
        return line.map { String($0.dropFirst(sample.utf8.count + 1)) }
    }

    @Test func `a ticket is seen from its birth to its end`() throws {
        try withRunningPasarela(settings: ["PASARELA_PATIENCE": "0"]) { pasarela in
            pasarela.end(.mserv1)
            let kept = try pasarela.curl("/listar_archivos?limite=7")
            #expect(kept.status == 202)
            let id = try #require(
                kept.headers["location"]?.split(separator: "/").last.map(String.init))

            let list = try backlog(pasarela, "list")
            #expect(list.status == 0 && list.errors.isEmpty)
            let row = list.output.split(separator: "\n").first { $0.hasPrefix(id) }
            #expect(row?.contains(" mserv1  waiting ") == true, "\(list.output)")
            #expect(try figure(pasarela, #"pasarela_tickets_waiting{daemon="mserv1"}"#) == "1")
            #expect(try figure(pasarela, #"pasarela_tickets_waiting{daemon="mserv2"}"#) == "0")
            #expect(try figure(pasarela, "pasarela_tickets_accepted_total") == "1")
            #expect(
                try figure(
                    pasarela,
                    #"pasarela_requests_total{route="/listar_archivos",status="202"}"#) == "1")
            try wait(for: "the watch") {
                try figure(pasarela, #"pasarela_daemon_well{daemon="mserv1"}"#) == "0"
            }
            #expect(try backlog(pasarela, "retry", id).status == 0)

            try pasarela.start(.mserv1)
            try wait(for: "the answer") {
                try backlog(pasarela, "show", id).output.contains("answered\n")
            }
            let shown = try backlog(pasarela, "show", id, "--json")
            let ticket = try #require(
                try JSONSerialization.jsonObject(with: Data(shown.output.utf8)) as? [String: Any])
            #expect(ticket["target"] as? String == "/listar_archivos?limite=7")
            #expect(ticket["status"] as? Int == 200 && ticket["own"] as? Bool == true)
            #expect(ticket["request_id"] as? String == kept.headers["x-request-id"])
            #expect(try figure(pasarela, "pasarela_tickets_replayed_total") == "1")
            #expect(try figure(pasarela, "pasarela_oldest_waiting_ticket_age_seconds") == "0")
            #expect(try figure(pasarela, #"pasarela_broker_state{state="none"}"#) == "1")

            let purged = try backlog(pasarela, "purge", "answered")
            #expect(purged.output == "1 ticket forgotten\n")
            #expect(try pasarela.curl("/solicitudes/\(id)").status == 404)
            let gone = try backlog(pasarela, "show", id)
            #expect(gone.status == 1 && gone.output.isEmpty)
            #expect(gone.errors == "gateway backlog: there is no ticket \(id)\n")

            pasarela.end(.gateway)
            let unanswered = try backlog(pasarela, "list")
            #expect(unanswered.status == 69 && unanswered.output.isEmpty)
            #expect(unanswered.errors.hasPrefix("gateway backlog: no gateway answers at "))
            #expect(unanswered.errors.split(separator: "\n").count == 1)
        }
    }

    @Test func `the figures are Prometheus's text`() throws {
        try withRunningPasarela { pasarela in
            let answer = try pasarela.curl("/metricas")
            #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(answer.body.hasPrefix("# HELP pasarela_build_info "))
            #expect(try pasarela.curl("/metrics").status == 200)
            #expect(try pasarela.curl("/metricas?x=1").status == 400)
        }
    }

    @Test func `a command that makes no sense is status 64, and help is to be had`() throws {
        let gateway = Repository.binaries.appending(path: "gateway").path
        for arguments in [["purge"], ["list", "--limit", "none"], ["show", "abc"], ["sell"]] {
            #expect(try run([gateway, "backlog"] + arguments).status == 64)
        }
        let help = try run([gateway, "backlog", "--help"])
        #expect(help.status == 0)
        for name in ["list", "show", "retry", "purge"] {
            #expect(help.output.contains("  \(name) "))
        }
        let wrong = try run(
            [gateway, "backlog", "list"], environment: ["PASARELA_CONTROL_SOCKET": "here"])
        #expect(wrong.status == 78 && wrong.errors.contains("PASARELA_CONTROL_SOCKET=here: takes "))
    }
}
