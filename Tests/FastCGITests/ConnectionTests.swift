internal import FastCGI
internal import Glibc
internal import Testing

@Suite struct `Connections of a responder` {
    @Test func `that send nothing or half a record hold up nobody`() throws {
        let running = try RunningResponder()
        let silent = try (0..<50).map { _ in try running.client() }
        // Fewer than the workers: each of these takes one, until its time is over.
        let half = try (0..<3).map { _ in try running.client() }
        for client in half { client.send([1, 1, 0]) }
        let client = try running.client()
        for number in 0..<100 { #expect(try client.get("/\(number)").text == "GET /\(number) -") }
        for client in silent { #expect(try client.get("/s").text == "GET /s -") }
        let rest = FastCGIClient.request(parameters: [("REQUEST_URI", "/h")]).dropFirst(3)
        for client in half {
            client.send(Array(rest))
            #expect(try client.answer().text == " /h -")
        }
    }

    @Test func `of users that are not welcome are closed unheard`() throws {
        let closed = try RunningResponder { $0.peers = [geteuid() + 1] }
        let stranger = try closed.client()
        stranger.send(FastCGIClient.request(parameters: [("REQUEST_URI", "/")]))
        #expect(try stranger.receiveToEnd().isEmpty)
        let open = try RunningResponder { $0.peers = [geteuid()] }
        #expect(try open.client().get("/").text == "GET / -")
    }

    @Test func `that stop in the middle of a request are closed when the time is over`() throws {
        let running = try RunningResponder { $0.readTimeout = .milliseconds(50) }
        let request = FastCGIClient.request(parameters: [("REQUEST_URI", "/")], body: [1, 2, 3])
        for count in [1, 8, 16, 20, request.count - 1] {
            let clients = try (0..<9).map { _ in try running.client() }
            for client in clients { client.send(Array(request.prefix(count))) }
            for client in clients { #expect(try client.receiveToEnd().isEmpty) }
        }
        #expect(try running.client().get("/").text == "GET / -")
    }

    @Test func `that send a byte now and then are closed when the time is over`() throws {
        let running = try RunningResponder { $0.readTimeout = .milliseconds(100) }
        let client = try running.client()
        let request = FastCGIClient.request(
            parameters: [("REQUEST_URI", "/")], body: [UInt8](repeating: 1, count: 30_000))
        var poll = pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0)
        // 5 ms between two bytes: 150 s for all.
        let sent = request.prefix { byte in
            client.send([byte]) && Glibc.poll(&poll, 1, 5) == 0
        }
        #expect(sent.count < 1_000)
        #expect(try client.receiveToEnd().isEmpty)
    }

    @Test func `that do not read their answer are closed when the time is over`() throws {
        let body = [UInt8](repeating: 7, count: 10_000_000)
        let running = try RunningResponder {
            $0.workers = 1
            $0.writeTimeout = .milliseconds(50)
        } handler: { request in
            request.target == Array("/big".utf8)
                ? Response(status: 200, body: body) : RunningResponder.echo(request)
        }
        let stalled = try running.client()
        stalled.send(FastCGIClient.request(parameters: [("REQUEST_URI", "/big")]))
        // The only worker comes back.
        #expect(try running.client().get("/").text == "GET / -")
        #expect(try stalled.receiveToEnd().count < body.count)
    }

    @Test func `that are closed early are forgotten`() throws {
        let gate = Gate()
        let running = try RunningResponder {
            $0.workers = 1
        } handler: { request in
            if request.target == Array("/gate".utf8) {
                gate.pass()
                return Response(status: 200, body: [UInt8](repeating: 1, count: 1 << 20))
            }
            return RunningResponder.echo(request)
        }
        for _ in 0..<20 {
            do {
                let client = try running.client()
                client.send(FastCGIClient.request(parameters: [("REQUEST_URI", "/gate")]))
                gate.awaitEntered()
            }
            gate.open()
            let next = try running.client()
            #expect(try next.get("/").text == "GET / -")
            next.finishSending()
            #expect(try next.receiveToEnd().isEmpty)
        }
        #expect(try running.settles(atOpenSockets: 1))
    }

    @Test func `of which 10,000 come and go leave no descriptor`() throws {
        let running = try RunningResponder()
        for number in 0..<10_000 {
            let client = try running.client()
            if number % 2 == 0 { #expect(try client.get("/").text == "GET / -") }
            // The end of the other side is the sign that the responder has closed.
            client.finishSending()
            #expect(try client.receiveToEnd().isEmpty)
        }
        #expect(try running.settles(atOpenSockets: 1))
    }

    @Test func `may send a request and then half-close`() throws {
        let running = try RunningResponder()
        let client = try running.client()
        client.send(FastCGIClient.request(parameters: [("REQUEST_URI", "/")]))
        client.finishSending()
        #expect(try client.answer().text == " / -")
        #expect(try client.receiveToEnd().isEmpty)
    }

    @Test func `over the limit cost the one that has been idle longest its place`() throws {
        // One worker has given a connection back before it answers on the next.
        let running = try RunningResponder {
            $0.connectionsMax = 3
            $0.workers = 1
        }
        let clients = try (0..<3).map { _ in try running.client() }
        for index in [1, 0, 2] { #expect(try clients[index].get("/").text == "GET / -") }
        let newcomer = try running.client()
        #expect(try newcomer.get("/n").text == "GET /n -")
        #expect(try clients[1].receiveToEnd().isEmpty)
        for client in [clients[0], clients[2], newcomer] {
            #expect(try client.get("/").text == "GET / -")
        }
    }

    @Test func `that have never sent a byte lose their place only after their time`() throws {
        let running = try RunningResponder {
            $0.connectionsMax = 2
            $0.readTimeout = .milliseconds(300)
        }
        let silent = try (0..<2).map { _ in try running.client() }
        let waiting = try running.client()
        let start = ContinuousClock.now
        #expect(try waiting.get("/").text == "GET / -")
        #expect(ContinuousClock.now - start > .milliseconds(250))
        #expect(try silent[0].receiveToEnd().isEmpty)
        #expect(try silent[1].get("/").text == "GET / -")
    }

    @Test func `over the limit wait while none is idle`() throws {
        let gate = Gate()
        let running = try RunningResponder {
            $0.connectionsMax = 2
        } handler: { request in
            if request.target == Array("/gate".utf8) { gate.pass() }
            return RunningResponder.echo(request)
        }
        let busy = try (0..<2).map { _ in try running.client() }
        for client in busy {
            client.send(FastCGIClient.request(parameters: [("REQUEST_URI", "/gate")]))
        }
        gate.awaitEntered(2)
        let waiting = try (0..<20).map { _ in try running.client() }
        for client in waiting {
            client.send(
                FastCGIClient.request(parameters: [("REQUEST_URI", "/w")], keep: false))
        }
        gate.open(2)
        for client in busy { #expect(try client.answer().text == " /gate -") }
        for client in waiting { #expect(try client.answer().text == " /w -") }
    }

    @Test func `more than the limit, all at once and none kept, are all served`() throws {
        let running = try RunningResponder { $0.connectionsMax = 4 }
        for _ in 0..<20 {
            let clients = try (0..<50).map { _ in try running.client() }
            for client in clients {
                client.send(
                    FastCGIClient.request(parameters: [("REQUEST_URI", "/")], keep: false))
            }
            for client in clients { #expect(try client.answer().text == " / -") }
        }
    }
}
