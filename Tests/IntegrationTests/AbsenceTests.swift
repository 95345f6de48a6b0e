import Foundation
import Synchronization
import Testing

/// What happens when a part is stopped or killed, and when it comes back.
@Suite struct AbsenceTests {
    static let daemons: [(part: RunningPasarela.Part, target: String)] = [
        (.mserv1, "/listar_archivos?encolar=no"), (.mserv2, "/buscar_archivos?encolar=no&q=a"),
    ]

    @Test(arguments: daemons, [SIGTERM, SIGKILL])
    func `an absent daemon is a 503 within two seconds, and its return is seen at once`(
        daemon: (part: RunningPasarela.Part, target: String), signal: Int32
    ) throws {
        try withRunningPasarela { pasarela in
            #expect(try pasarela.curl(daemon.target).status == 200)
            try pasarela.awaitLife(1, of: daemon.part)
            pasarela.end(daemon.part, by: signal)
            let absent = try pasarela.curl(daemon.target)
            #expect(absent.status == 503)
            #expect(absent.seconds < 2)
            #expect(absent.headers["retry-after"] == "1")
            #expect(absent.body.contains("\"codigo\":\"servicio_ausente\""))
            let readiness = try pasarela.curl("/salud/listo")
            #expect(readiness.status == 503)
            #expect(readiness.body.contains("\"\(daemon.part.rawValue)\":{\"estado\":\"ausente\"}"))
            #expect(readiness.headers["retry-after"] == "1")
            let told = "503 GET /salud/listo: absent: \(daemon.part.rawValue)"
            #expect(try pasarela.log(of: .gateway).contains(told))
            // The other daemon does not mind.
            let other = Self.daemons.first { $0.part != daemon.part }
            #expect(try pasarela.curl(other?.target ?? "").status == 200)

            let socket = "\(pasarela.runtimeFolder)/\(daemon.part.rawValue).sock"
            if signal == SIGTERM { #expect(!FileManager.default.fileExists(atPath: socket)) }
            try pasarela.start(daemon.part)
            try pasarela.awaitLife(2, of: daemon.part)
            let back = try pasarela.curl(daemon.target)
            #expect(back.status == 200)
            #expect(back.seconds < 0.2)
        }
    }

    @Test(arguments: daemons)
    func `a restart within the patience is not seen by the client`(
        daemon: (part: RunningPasarela.Part, target: String)
    ) throws {
        try withRunningPasarela(settings: ["PASARELA_PATIENCE": "10"]) { pasarela in
            for _ in 0..<5 {
                pasarela.end(daemon.part, by: SIGKILL)
                try pasarela.start(daemon.part)
                #expect(try pasarela.curl(daemon.target).status == 200)
            }
        }
    }

    @Test func `a daemon that is restarted within a long call is not seen by the client`() throws {
        try withRunningPasarela { pasarela in
            let daemon = try #require(pasarela.pid(of: .mserv1))
            #expect(try pasarela.curl("/listar_archivos").status == 200)
            kill(daemon, SIGSTOP)
            let answer = Mutex<Int?>(nil)
            Thread.detachNewThread {
                let status = (try? pasarela.curl("/listar_archivos").status) ?? -1
                answer.withLock { $0 = status }
            }
            // Longer than patience (1 s), which is for the time that a daemon is missed, not for the time that it takes.
            let long = ContinuousClock.now + .milliseconds(1_500)
            try wait(for: "a long call") { ContinuousClock.now > long }
            #expect(answer.withLock { $0 } == nil)
            pasarela.end(.mserv1, by: SIGKILL)
            try pasarela.start(.mserv1)
            try wait(for: "the answer") { answer.withLock { $0 != nil } }
            #expect(answer.withLock { $0 } == 200)
        }
    }

    /// Different requests, and the same again and again: curl keeps what follows # to itself.
    @Test(arguments: ["q=x[1-90]", "q=x#[1-140]"])
    func `who asks a hung daemon for much leaves workers to the others`(queries: String) throws {
        let settings = ["PASARELA_DEADLINE": "3", "PASARELA_PATIENCE": "0"]
        try withRunningPasarela(settings: settings) { pasarela in
            let daemon = try #require(pasarela.pid(of: .mserv2))
            kill(daemon, SIGSTOP)
            defer { kill(daemon, SIGCONT) }
            let codes = Mutex<String?>(nil)
            Thread.detachNewThread {
                let many = try? run([
                    "curl", "--silent", "--insecure", "--http1.1", "--parallel",
                    "--parallel-immediate", "--parallel-max", "150", "--write-out",
                    "%{http_code}\n", "--output", "/dev/null",
                    pasarela.url + "/buscar_archivos?\(queries)",
                ])
                codes.withLock { $0 = many?.output ?? "" }
            }
            // The first that is one too many is told so at once; the others still wait.
            try wait(for: "an overload") {
                try pasarela.log(of: .gateway).contains("503 GET /buscar_archivos: sobrecarga")
            }
            #expect(try pasarela.curl("/listar_archivos").status == 200)
            #expect(try pasarela.curl("/salud").status == 200)
            try wait(for: "the end") { codes.withLock { $0 != nil } }
            let counts = Dictionary(
                grouping: (codes.withLock { $0 } ?? "").split(separator: "\n"), by: { $0 })
            #expect(Set(counts.keys) == ["503", "504"], "\(counts.mapValues(\.count))")
        }
    }

    @Test func `an absent gateway is a 503 of nginx, and its return is seen at once`() throws {
        try withRunningPasarela { pasarela in
            // It answers a moment before it says so.
            try pasarela.awaitLife(1, of: .gateway)
            pasarela.end(.gateway, by: SIGKILL)
            let absent = try pasarela.curl("/listar_archivos")
            #expect(absent.status == 503)
            #expect(absent.headers["content-type"]?.hasPrefix("application/problem+json") == true)
            #expect(absent.headers["retry-after"] == "1")
            #expect(absent.body.contains("servicio_ausente"))
            try pasarela.start(.gateway)
            try pasarela.awaitLife(2, of: .gateway)
            let back = try pasarela.curl("/listar_archivos")
            #expect(back.status == 200)
            #expect(back.seconds < 0.2)
        }
    }

    @Test func `nginx comes back to the same services`() throws {
        try withRunningPasarela { pasarela in
            pasarela.end(.nginx)
            #expect(try pasarela.curl("/salud").status == 0)
            try pasarela.start(.nginx)
            try wait(for: "nginx") { try pasarela.curl("/listar_archivos").status == 200 }
        }
    }

    @Test func `a cursor outlives a restart of everything`() throws {
        try withRunningPasarela { pasarela in
            for name in ["a", "b", "c"] {
                try Data().write(to: pasarela.root.appending(path: name))
            }
            let link = try #require(
                try pasarela.curl("/listar_archivos?limite=2").headers["link"])
            let target = link.dropFirst().prefix { $0 != ">" }
            for part in RunningPasarela.Part.allCases { pasarela.end(part) }
            for part in RunningPasarela.Part.allCases { try pasarela.start(part) }
            try wait(for: "readiness") { try pasarela.curl("/salud/listo").status == 200 }
            let rest = try pasarela.curl(String(target))
            #expect(rest.status == 200)
            #expect(rest.body.contains("\"nombre\":\"c\""))
            #expect(!rest.body.contains("\"nombre\":\"b\""))
        }
    }

    @Test func `SIGTERM does not wait for who waits for a ticket, and answers them`() throws {
        try withRunningPasarela(settings: ["PASARELA_PATIENCE": "0"]) { pasarela in
            pasarela.end(.mserv1)
            let place = try #require(try pasarela.curl("/listar_archivos").headers["location"])
            let answer = Mutex<RunningPasarela.HTTPAnswer?>(nil)
            Thread.detachNewThread {
                let found = try? pasarela.curl(place, ["-H", "Prefer: wait=15"])
                answer.withLock { $0 = found }
            }
            // Nothing tells that somebody waits.
            let begun = ContinuousClock.now
            try wait(for: "the request to arrive") { ContinuousClock.now > begun + .seconds(1) }
            #expect(answer.withLock { $0 == nil })
            #expect(pasarela.end(.gateway) == 0)
            #expect(ContinuousClock.now < begun + .seconds(6))
            try wait(for: "the answer") { answer.withLock { $0 != nil } }
            #expect(answer.withLock { $0?.status } == 200)
        }
    }

    @Test func `SIGTERM lets a request in flight end, and the exit status is 0`() throws {
        try withRunningPasarela(settings: ["PASARELA_PATIENCE": "2"]) { pasarela in
            // Without its daemon a request is in flight for as long as patience lasts.
            pasarela.end(.mserv1)
            let answer = Mutex<Int?>(nil)
            let asking = Thread {
                let status = (try? pasarela.curl("/listar_archivos?encolar=no").status) ?? -1
                answer.withLock { $0 = status }
            }
            asking.start()
            try wait(for: "the request in flight") {
                try pasarela.curl("/metricas").body.contains(
                    "pasarela_requests_waiting{daemon=\"mserv1\"} 1\n")
            }
            #expect(pasarela.end(.gateway) == 0)
            try wait(for: "the answer") { answer.withLock { $0 != nil } }
            #expect(answer.withLock { $0 } == 503)
            let log = try pasarela.log(of: .gateway)
            #expect(log.contains("503 GET /listar_archivos: servicio_ausente"))
            for part in [RunningPasarela.Part.mserv2, .nginx] { #expect(pasarela.end(part) == 0) }
        }
    }
}
