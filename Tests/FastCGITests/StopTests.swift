internal import FastCGI
internal import Glibc
internal import Testing

@Suite struct `Stopping a responder` {
    /// Runs `body` on a thread of its own.
    private func inBackground(_ body: @escaping @Sendable () -> Void) throws -> pthread_t {
        final class Box {
            let body: () -> Void; init(_ body: @escaping () -> Void) { self.body = body }
        }
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Box(body))
        let result = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, box.toOpaque())
        try #require(result == 0)
        return thread
    }

    @Test func `ends its threads and closes its sockets`() throws {
        let running = try RunningResponder()
        let client = try running.client()
        #expect(try client.get("/").text == "GET / -")
        #expect(try running.threads() > 0)
        running.responder.stop(within: .seconds(60))
        #expect(try running.threads() == 0)
        #expect(try running.openSockets() == 0)
        #expect(try client.receiveToEnd().isEmpty)
        #expect(throws: FastCGIClient.Failure.connect(ECONNREFUSED)) { try running.client() }
        running.responder.stop(within: .seconds(60))
    }

    @Test func `lets a request in flight finish`() throws {
        let gate = Gate()
        let running = try RunningResponder { _ in
        } handler: { request in
            gate.pass()
            return RunningResponder.echo(request)
        }
        let idle = try running.client()
        let client = try running.client()
        client.send(FastCGIClient.request(parameters: [("REQUEST_URI", "/")]))
        gate.awaitEntered()
        let responder = running.responder
        let stopping = try inBackground { responder.stop(within: .seconds(60)) }
        // The idle connection ends at once: so it is stopping.
        #expect(try idle.receiveToEnd().isEmpty)
        gate.open()
        #expect(try client.answer().text == " / -")
        #expect(try client.receiveToEnd().isEmpty)
        pthread_join(stopping, nil)
        #expect(try running.threads() == 0)
        #expect(try running.openSockets() == 0)
    }

    @Test func `serves what has come in before, though no worker was free`() throws {
        let gate = Gate()
        let running = try RunningResponder {
            $0.workers = 1
        } handler: { request in
            gate.pass()
            return RunningResponder.echo(request)
        }
        let clients = try (0..<5).map { _ in try running.client() }
        // Taken in and idle: each has been served once.
        gate.open(5)
        for client in clients { #expect(try client.get("/").text == "GET / -") }
        gate.awaitEntered(5)
        for client in clients {
            client.send(FastCGIClient.request(parameters: [("REQUEST_URI", "/due")]))
        }
        gate.awaitEntered()
        let responder = running.responder
        let idle = try running.client()
        let stopping = try inBackground { responder.stop(within: .seconds(60)) }
        gate.open(5)
        for client in clients { #expect(try client.answer().text == " /due -") }
        pthread_join(stopping, nil)
        // Never taken in: it ends with the listener.
        #expect(throws: (any Error).self) { try idle.get("/") }
    }

    @Test func `shuts what is neither read nor written when the bound is over`() throws {
        let running = try RunningResponder {
            $0.readTimeout = .seconds(3_600)
            $0.writeTimeout = .seconds(3_600)
        } handler: { _ in
            Response(status: 200, body: [UInt8](repeating: 1, count: 10_000_000))
        }
        let half = try running.client()
        half.send([1, 1])
        let stalled = try running.client()
        stalled.send(FastCGIClient.request(parameters: [("REQUEST_URI", "/")]))
        _ = try stalled.receive(8)  // It is being written.
        running.responder.stop(within: .milliseconds(50))
        #expect(try running.threads() == 0)
        #expect(try half.receiveToEnd().isEmpty)
        #expect(try stalled.receiveToEnd().count < 10_000_000)
    }

    @Test func `before starting is allowed, and final`() throws {
        let responder = Responder { _ in Response(status: 200) }
        responder.stop(within: .zero)
        let running = try RunningResponder()
        let path = running.path + "2"
        let listener = try RunningResponder.listen(path)
        defer { unlink(path) }
        #expect(throws: FastCGIError.self) { try responder.start(listeningOn: listener) }
    }

    @Test func `from two threads at once returns in both when all has ended`() throws {
        let running = try RunningResponder()
        let responder = running.responder
        let threads = try (0..<4).map { _ in
            try inBackground { responder.stop(within: .seconds(60)) }
        }
        for thread in threads { pthread_join(thread, nil) }
        #expect(try running.threads() == 0)
    }

    @Test func `1,000 times leaves no descriptor`() throws {
        let before = try descriptorCount()
        for _ in 0..<1_000 {
            let running = try RunningResponder { $0.workers = 2 }
            let client = try running.client()
            #expect(try client.get("/").text == "GET / -")
            running.responder.stop(within: .seconds(60))
        }
        // Other tests of the process open some at the same time; a leak would be 1,000 at least.
        #expect(try descriptorCount() - before < 900)
    }

    private func descriptorCount() throws -> Int {
        try RunningResponder.names(in: "/proc/self/fd").count
    }
}
