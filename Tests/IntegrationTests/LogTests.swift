import Foundation
import Testing

/// One request, one id, in every log; nothing of a client's unescaped.
@Suite struct LogTests {
    @Test func `a failed request is one line with id, route, status and duration, in each service`()
        throws
    {
        try withRunningPasarela { pasarela in
            let id = "prueba-\(UInt32.random(in: 0...UInt32.max))"
            let answer = try pasarela.curl(
                "/listar_archivos?ruta=/nada", ["-H", "X-Request-Id: \(id)"])
            #expect(answer.status == 404)
            #expect(answer.headers["x-request-id"] == id)
            try wait(for: "nginx's access log") {
                try String(contentsOfFile: pasarela.accessLog, encoding: .utf8).contains(
                    "id=\(id) ")
            }
            let gateway = try lines(pasarela.log(of: .gateway), with: id)
            #expect(gateway.count == 1)
            for part in [
                "HTTP_ROUTE=/listar_archivos", "HTTP_RESPONSE_STATUS_CODE=404", "DURATION_US=",
                "ERROR_TYPE=no_existe",
            ] {
                #expect(gateway.first?.contains(part) == true, "\(part)")
            }
            let daemon = try lines(pasarela.log(of: .mserv1), with: id)
            #expect(daemon.count == 1)
            #expect(
                daemon.first?.contains("RPC_METHOD=/pasarela.v1.ListingService/ListFolder") == true)
        }
    }

    @Test func `a request that went well is logged only when asked for`() throws {
        for logsAll in [false, true] {
            let settings = ["PASARELA_LOG_REQUESTS": logsAll ? "yes" : "no"]
            try withRunningPasarela(settings: settings) { pasarela in
                _ = try pasarela.curl("/buscar_archivos?q=a", ["-H", "X-Request-Id: bien"])
                let expected = logsAll ? 1 : 0
                #expect(try lines(pasarela.log(of: .gateway), with: "bien").count == expected)
                #expect(try lines(pasarela.log(of: .mserv2), with: "bien").count == expected)
            }
        }
    }

    @Test func `a slow request is logged`() throws {
        try withRunningPasarela(settings: ["PASARELA_SLOW_REQUEST": "0"]) { pasarela in
            _ = try pasarela.curl("/listar_archivos", ["-H", "X-Request-Id: lenta"])
            let line = try lines(pasarela.log(of: .gateway), with: "lenta").first
            #expect(line?.contains("slow") == true)
        }
    }

    @Test func `the trace of a client is the daemon's too`() throws {
        try withRunningPasarela(settings: ["PASARELA_LOG_REQUESTS": "yes"]) { pasarela in
            let trace = "0af7651916cd43dd8448eb211c80319c"
            _ = try pasarela.curl(
                "/listar_archivos", ["-H", "traceparent: 00-\(trace)-b7ad6b7169203331-01"])
            #expect(try lines(pasarela.log(of: .gateway), with: "TRACE_ID=\(trace)").count == 1)
            #expect(try lines(pasarela.log(of: .mserv1), with: "TRACE_ID=\(trace)").count == 1)
        }
    }

    @Test func `no control byte of a client's reaches a log`() throws {
        try withRunningPasarela { pasarela in
            _ = try pasarela.curl("/listar_archivos?a%0Ab%1B%5B31m=1&x=%00")
            _ = try pasarela.curl("/listar_archivos?ruta=/%0A%1B%5B31m")
            for part in [RunningPasarela.Part.gateway, .mserv1] {
                let log = try pasarela.log(of: part)
                #expect(log.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x0A })
                #expect(log.split(separator: "\n").allSatisfy { $0.hasPrefix("20") })
            }
        }
    }

    private func lines(_ log: String, with text: String) -> [Substring] {
        log.split(separator: "\n").filter { $0.contains(text) }
    }
}
