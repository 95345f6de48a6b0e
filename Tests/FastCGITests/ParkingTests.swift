internal import Glibc
internal import Synchronization
internal import Testing

@testable internal import FastCGI

/// Requests whose answers come later, from threads that are not the handler's.
@Suite struct ParkingTests {
    /// Where a handler puts what it has parked.
    private final class Lot: Sendable {
        private let parked = Mutex<[ParkedRequest]>([])
        private let arrivals = Gate()

        /// Parks each request but those for /now.
        func handler() -> Responder.ParkingHandler {
            { request, parking in
                guard request.target != Array("/now".utf8), let parked = parking?.park() else {
                    return RunningResponder.echo(request)
                }
                self.parked.withLock { $0.append(parked) }
                self.arrivals.open()
                return nil
            }
        }

        /// The requests, when there are so many.
        func take(_ count: Int) -> [ParkedRequest] {
            for _ in 0..<count { arrivals.pass() }
            return parked.withLock { parked in
                defer { parked = [] }
                return parked
            }
        }
    }

    private func response(_ text: String) -> Response {
        Response(status: 200, body: Array(text.utf8))
    }

    private func request(_ target: String, method: String = "GET", keep: Bool = true) -> [UInt8] {
        FastCGIClient.request(
            id: 7, parameters: [("REQUEST_METHOD", method), ("REQUEST_URI", target)], keep: keep)
    }

    @Test func `more than there are threads wait, others are answered, each gets its own answer`()
        throws
    {
        let lot = Lot()
        let running = try RunningResponder({ $0.workers = 2 }, parkingHandler: lot.handler())
        let clients = try (0..<50).map { _ in try running.client() }
        for round in 0..<3 {
            for client in clients { client.send(request("/")) }
            let parked = lot.take(50)
            #expect(try running.client().get("/now").text == "GET /now -")
            for (number, one) in parked.enumerated() { one.answer(response("\(round) \(number)")) }
            // Kept, each for its next request.
            let texts = try clients.map { try $0.answer(id: 7).text }
            #expect(Set(texts) == Set((0..<50).map { "\(round) \($0)" }))
        }
    }

    @Test func `an answer is sent as a thread of the responder's would`() throws {
        let lot = Lot()
        let running = try RunningResponder(parkingHandler: lot.handler())
        let client = try running.client()
        client.send(request("/", method: "HEAD"))
        for one in lot.take(1) {
            one.answer(Response(status: 200, headers: [("X-A", "b")], body: [1, 2, 3]))
            // Only the first counts.
            one.answer(response("again"))
        }
        let head = try client.answer(id: 7)
        #expect(head.headerLines == ["Status: 200 OK", "X-A: b"] && head.body.isEmpty)
        client.send(request("/", keep: false))
        for one in lot.take(1) { one.answer(response("last")) }
        #expect(try client.answer(id: 7).text == "last")
        #expect(try client.receiveToEnd().isEmpty)
        // Half-closed: it still waits for the answer.
        let half = try running.client()
        half.send(request("/"))
        half.finishSending()
        for one in lot.take(1) { one.answer(response("half")) }
        #expect(try half.answer(id: 7).text == "half")
        #expect(try half.receiveToEnd().isEmpty)
        #expect(try running.settles(atOpenSockets: 1))
    }

    @Test func `an answer that the peer does not take keeps neither its thread nor others`() throws
    {
        let lot = Lot()
        let running = try RunningResponder(parkingHandler: lot.handler())
        let body = [UInt8]((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 / 251) })
        let stalled = try running.client()
        let other = try running.client()
        for client in [stalled, other] { client.send(request("/")) }
        // On this thread, before anybody reads.
        for one in lot.take(2) { one.answer(Response(status: 200, body: body)) }
        #expect(try other.answer(id: 7).body == body)
        #expect(try stalled.answer(id: 7).body == body)
        #expect(try stalled.get("/now").text == "GET /now -")
    }

    @Test func `one that is dropped is answered with 500`() throws {
        let lot = Lot()
        let running = try RunningResponder(parkingHandler: lot.handler())
        let client = try running.client()
        client.send(request("/"))
        _ = lot.take(1)
        #expect(
            try client.answer(id: 7).headerLines == ["Status: 500 Internal Server Error"])
        #expect(try client.get("/now").text == "GET /now -")
    }

    @Test func `a handler that neither answers nor parks is a 500, too`() throws {
        let running = try RunningResponder(parkingHandler: { _, _ in nil })
        let client = try running.client()
        #expect(try client.get("/").headerLines == ["Status: 500 Internal Server Error"])
    }

    @Test func `a worker makes the answer where that takes a thread`() throws {
        let lot = Lot()
        let running = try RunningResponder({ $0.workers = 1 }, parkingHandler: lot.handler())
        let clients = try (0..<5).map { _ in try running.client() }
        for client in clients { client.send(request("/")) }
        let own = pthread_self()
        for one in lot.take(5) {
            one.answer(byWorker: {
                Response(status: 200, body: Array("\(pthread_self() != own)".utf8))
            })
        }
        for client in clients {
            #expect(try client.answer(id: 7).text == "true")
            #expect(try client.get("/now").text == "GET /now -")
        }
    }

    @Test func `a peer that goes is told of, and its answer goes nowhere`() throws {
        let lot = Lot()
        let gone = Gate()
        let handler = lot.handler()
        let running = try RunningResponder(parkingHandler: { request, parking in
            request.peer?.whenGone { gone.open() }
            return handler(request, parking)
        })
        var client: FastCGIClient? = try running.client()
        client?.send(request("/"))
        let parked = lot.take(1)
        client = nil
        gone.pass()
        for one in parked { one.answer(response("nobody")) }
        #expect(try running.settles(atOpenSockets: 1))
        #expect(try running.client().get("/now").text == "GET /now -")
    }

    @Test func `where more has come in, nothing is parked`() throws {
        let lot = Lot()
        let running = try RunningResponder(parkingHandler: lot.handler())
        let client = try running.client()
        client.send(request("/") + request("/"))
        #expect(try client.answer(id: 7).text == "GET / -")
        #expect(throws: FastCGIClient.Failure.closed) { try client.answer(id: 7) }
    }

    @Test func `half of the connections are left to others`() throws {
        let lot = Lot()
        let running = try RunningResponder({ $0.connectionsMax = 4 }, parkingHandler: lot.handler())
        let clients = try (0..<4).map { _ in try running.client() }
        for _ in 0..<3 {
            for client in clients.prefix(2) { client.send(request("/")) }
            let parked = lot.take(2)
            #expect(try clients[2].get("/").text == "GET / -")
            for one in parked { one.answer(response("parked")) }
            for client in clients.prefix(2) {
                #expect(try client.answer(id: 7).text == "parked")
            }
        }
    }

    @Test func `stopping waits for their answers`() throws {
        let lot = Lot()
        let running = try RunningResponder(parkingHandler: lot.handler())
        let idle = try running.client()
        #expect(try idle.get("/now").text == "GET /now -")
        let client = try running.client()
        client.send(request("/"))
        let parked = lot.take(1)
        let responder = running.responder
        let end = Gate()
        let stopping = try `Stopping a responder`.inBackground {
            responder.stop(within: .seconds(60))
            end.open()
        }
        #expect(try idle.receiveToEnd().isEmpty)
        for one in parked { one.answer(response("in time")) }
        #expect(try client.answer(id: 7).text == "in time")
        #expect(try client.receiveToEnd().isEmpty)
        end.pass()
        pthread_join(stopping, nil)
        #expect(try running.openSockets() == 0)
    }

    @Test func `stopping ends in time whatever is parked, and a later answer is harmless`() throws {
        let lot = Lot()
        let running = try RunningResponder(parkingHandler: lot.handler())
        let clients = try (0..<3).map { _ in try running.client() }
        for client in clients { client.send(request("/")) }
        let parked = lot.take(3)
        let start = ContinuousClock.now
        running.responder.stop(within: .milliseconds(50))
        #expect(ContinuousClock.now - start < .seconds(10))
        #expect(try running.threads() == 0)
        for client in clients { #expect(try client.receiveToEnd().isEmpty) }
        parked[0].answer(response("late"))
        parked[1].answer(byWorker: { Response(status: 200) })
        // The third is dropped.
        #expect(parked.count == 3)
    }

    @Test func `10,000 in turns leave no descriptor`() throws {
        let lot = Lot()
        let running = try RunningResponder(parkingHandler: lot.handler())
        for round in 0..<200 {
            let clients = try (0..<50).map { _ in try running.client() }
            for client in clients { client.send(request("/")) }
            for (number, one) in lot.take(50).enumerated() {
                switch number % 3 {
                case 0: one.answer(response("now"))
                case 1: one.answer(byWorker: { Response(status: 200, body: Array("now".utf8)) })
                default: break
                }
            }
            // Half of them stay for their answer.
            for client in clients.prefix(round % 2 * 50) {
                #expect(try client.answer(id: 7).protocolStatus == 0)
            }
        }
        #expect(try running.settles(atOpenSockets: 1))
    }
}
