internal import FastCGI
internal import Glibc
internal import Synchronization
internal import Testing

@Suite struct `A responder` {
    @Test func `answers a request`() throws {
        let running = try RunningResponder()
        let client = try running.client()
        client.send(
            FastCGIClient.request(parameters: [
                ("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/a?b"), ("HTTP_X_ECHO", "hola"),
            ]))
        let answer = try client.answer()
        #expect(answer.headerLines == ["Status: 200 OK", "Content-Length: 13"])
        #expect(answer.text == "GET /a?b hola")
        #expect(answer.applicationStatus == 0)
        #expect(answer.protocolStatus == 0)
    }

    @Test func `closes the connection of a peer that does not ask to keep it`() throws {
        let running = try RunningResponder()
        let client = try running.client()
        #expect(try client.get("/", keep: false).text == "GET / -")
        #expect(try client.receiveToEnd().isEmpty)
    }

    @Test func `serves many requests on a kept connection`() throws {
        let running = try RunningResponder()
        let client = try running.client()
        for number in 0..<2_000 {
            #expect(try client.get("/\(number)").text == "GET /\(number) -")
        }
    }

    @Test func `echoes the id of each request`() throws {
        let running = try RunningResponder()
        let client = try running.client()
        for id: UInt16 in [1, 2, 255, 256, 65_535] {
            client.send(FastCGIClient.request(id: id, parameters: [("REQUEST_URI", "/")]))
            #expect(try client.answer(id: id).text == " / -")
        }
    }

    @Test func `serves 300 kept connections with 4 workers, again and again`() throws {
        let running = try RunningResponder()
        let clients = try (0..<300).map { _ in try running.client() }
        for round in 0..<5 {
            let request = FastCGIClient.request(parameters: [
                ("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/\(round)"),
            ])
            for client in clients { client.send(request) }
            for client in clients { #expect(try client.answer().text == "GET /\(round) -") }
        }
        let open = try withExtendedLifetime(clients) { try running.openSockets() }
        // With the listener, and what the last requests' workers are about to let go.
        #expect((301...305).contains(open))
    }

    @Test(arguments: [1, 7, 8, 9, 100, 65_535], [0, 1, 255])
    func `reads requests however they are cut into records`(_ cut: Int, _ padding: Int) throws {
        let running = try RunningResponder()
        let client = try running.client()
        let long = String(repeating: "ñ", count: cut < 100 ? 4_000 : 60_000)
        let request = FastCGIClient.request(
            parameters: [
                ("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/largo"), ("HTTP_X_ECHO", long),
            ],
            body: Array("abcdefghijkl".utf8), cut: cut, padding: padding)
        for _ in 0..<2 {
            client.send(request)
            #expect(try client.answer().text == "GET /largo \(long)")
        }
    }

    @Test func `reads a request that comes byte by byte`() throws {
        let running = try RunningResponder()
        let client = try running.client()
        for byte in FastCGIClient.request(parameters: [("REQUEST_URI", "/lento")]) {
            client.send([byte])
        }
        #expect(try client.answer().text == " /lento -")
        #expect(try client.get("/").text == "GET / -")
    }

    @Test(arguments: [0, 1, 8_183, 8_184, 8_185, 65_535, 65_536, 1 << 20, 5_000_001])
    func `sends a body of any size intact`(_ count: Int) throws {
        let body = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        let running = try RunningResponder { _ in
        } handler: { _ in
            Response(status: 200, body: body)
        }
        let client = try running.client()
        for _ in 0..<2 {
            let answer = try client.get("/")
            #expect(answer.headerLines == ["Status: 200 OK"])
            #expect(answer.body == body)
        }
    }

    @Test(arguments: [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 103)])
    func `sends no body where HTTP has none`(_ method: String, _ status: Int) throws {
        let running = try RunningResponder { _ in
        } handler: { _ in
            Response(status: status, headers: [("Content-Length", "5")], body: Array("12345".utf8))
        }
        let answer = try running.client().get("/", method: method)
        #expect(answer.headerLines.contains("Content-Length: 5"))
        #expect(answer.body.isEmpty)
    }

    @Test(arguments: [
        ("a\r\nX-Evil: 1", "X-Ok: a  X-Evil: 1"), ("a\nb", "X-Ok: a b"), ("a\rb", "X-Ok: a b"),
        ("a\0b", "X-Ok: a b"), ("a\r\n\r\n<p>", "X-Ok: a    <p>"), ("a\tb", "X-Ok: a\tb"),
        ("ñ\u{7f}", "X-Ok: ñ "), ("\r\n", "X-Ok:   "),
    ])
    func `lets no header value end its line`(_ value: String, _ line: String) throws {
        let running = try RunningResponder { _ in
        } handler: { _ in
            Response(status: 200, headers: [("X-Ok", value)], body: [0x62])
        }
        let answer = try running.client().get("/")
        // "\r\n" is one Character of Swift's: compare bytes.
        #expect(answer.standardOutput == Array("Status: 200 OK\r\n\(line)\r\n\r\nb".utf8))
    }

    @Test(arguments: [
        "", "X Y", "X:", "X\r\nY", "X\0", "Ñ", "X\n", "Status", "sTATUS", "(x)", "x/y", "\u{7f}",
    ])
    func `drops a header whose name can't be one`(_ name: String) throws {
        let running = try RunningResponder { _ in
        } handler: { _ in
            Response(status: 404, headers: [(name, "1"), ("Statu5-~", "2")])
        }
        let answer = try running.client().get("/")
        #expect(answer.standardOutput == Array("Status: 404 Not Found\r\nStatu5-~: 2\r\n\r\n".utf8))
    }

    @Test(arguments: [
        (99, "Status: 500 Internal Server Error"), (-1, "Status: 500 Internal Server Error"),
        (1_000, "Status: 500 Internal Server Error"), (999, "Status: 999"),
        (418, "Status: 418"),
    ])
    func `sends only a status that HTTP can carry`(_ status: Int, _ line: String) throws {
        let running = try RunningResponder { _ in
        } handler: { _ in
            Response(status: status, body: [0x62])
        }
        let answer = try running.client().get("/")
        #expect(answer.headerLines == [line])
        #expect(answer.body == [0x62])
    }

    @Test(arguments: [1, 8_192, 100_000, 3_000_000])
    func `reads a body to its end, so that the next request is in step`(_ count: Int) throws {
        let running = try RunningResponder()
        let client = try running.client()
        // Content that would be a request if it were read as records.
        let disguise = FastCGIClient.request(parameters: [("REQUEST_URI", "/falso")])
        let body = Array((0..<(count / disguise.count + 1)).flatMap { _ in disguise }.prefix(count))
        for number in 0..<3 {
            client.send(
                FastCGIClient.request(
                    parameters: [("REQUEST_METHOD", "POST"), ("REQUEST_URI", "/\(number)")],
                    body: body))
            #expect(try client.answer().text == "POST /\(number) -")
            #expect(try client.get("/g").text == "GET /g -")
        }
    }

    @Test func `ends the connection of a body that is too long, without calling the handler`()
        throws
    {
        let running = try RunningResponder { $0.bodyBytesMax = 1_000 }
        for (count, isAnswered) in [(1_000, true), (1_001, false), (100_000, false)] {
            let client = try running.client()
            client.send(
                FastCGIClient.request(
                    parameters: [("REQUEST_URI", "/")],
                    body: [UInt8](repeating: 1, count: count)))
            client.finishSending()
            let bytes = try client.receiveToEnd()
            #expect(bytes.isEmpty != isAnswered)
        }
    }

    @Test func `runs as many handlers at once as it has workers`() throws {
        let gate = Gate()
        let running = try RunningResponder {
            $0.workers = 8
        } handler: { _ in
            gate.pass()
            return Response(status: 200)
        }
        let clients = try (0..<8).map { _ in try running.client() }
        for client in clients {
            client.send(FastCGIClient.request(parameters: [("REQUEST_URI", "/")]))
        }
        gate.awaitEntered(8)
        gate.open(8)
        for client in clients { #expect(try client.answer().headerLines == ["Status: 200 OK"]) }
    }

    @Test func `leaves the process's signal handlers alone, and ignores SIGPIPE`() throws {
        let running = try RunningResponder()
        #expect(try running.client().get("/").text == "GET / -")
        for signal in [SIGTERM, SIGUSR1] {
            var action = sigaction()
            sigaction(signal, nil, &action)
            // Nobody else in this process sets one.
            #expect(action.__sigaction_handler.sa_handler == nil)
        }
        var action = sigaction()
        sigaction(SIGPIPE, nil, &action)
        let ignored = unsafeBitCast(SIG_IGN, to: Int.self)
        #expect(unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == ignored)
    }

    @Test func `refuses what does not listen, and takes its ownership`() throws {
        let socket = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let responder = Responder { _ in Response(status: 200) }
        let error = #expect(throws: FastCGIError.self) {
            try responder.start(listeningOn: socket)
        }
        #expect(error?.code == .notListening)
        #expect(error?.isRetriable == false)
        #expect(error?.description == "the descriptor is no listening stream socket (getsockopt)")
        responder.stop(within: .zero)
    }

    @Test func `starts once`() throws {
        let running = try RunningResponder()
        let path = running.path + "2"
        let second = try RunningResponder.listen(path)
        defer { unlink(path) }
        let error = #expect(throws: FastCGIError.self) {
            try running.responder.start(listeningOn: second)
        }
        #expect(error?.code == .alreadyStarted)
        #expect(try running.client().get("/").text == "GET / -")
    }
}
