internal import Glibc
internal import Synchronization
internal import Testing

@testable internal import FastCGI

/// Answers that are written piece by piece, and peers that go before they are whole.
@Suite struct StreamedAnswerTests {
    @Test func `a streamed body arrives piece by piece, and the connection goes on`() throws {
        let gate = Gate()
        let running = try RunningResponder(handler: { request in
            guard request.target == Array("/stream".utf8) else {
                return RunningResponder.echo(request)
            }
            return Response(status: 200, headers: [("X-A", "b")]) { writer in
                for number in 0..<3 {
                    guard writer.write(Array("piece \(number)\n".utf8)) else { return false }
                    gate.pass()
                }
                return true
            }
        })
        let client = try running.client()
        client.send(
            FastCGIClient.request(parameters: [("REQUEST_URI", "/stream")], keep: true))
        for _ in 0..<3 {
            // What was written is not kept back until there is more.
            gate.awaitEntered()
            var byte: UInt8 = 0
            #expect(recv(client.descriptor, &byte, 1, CInt(MSG_PEEK)) == 1)
            gate.open()
        }
        let answer = try client.answer()
        #expect(answer.text == "piece 0\npiece 1\npiece 2\n" && answer.records >= 3)
        #expect(try client.get("/").text == "GET / -")
    }

    @Test func `a streamed body that is not whole ends the connection without the request's end`()
        throws
    {
        let running = try RunningResponder(handler: { _ in
            Response(status: 200) { writer in
                _ = writer.write(Array("half".utf8))
                return false
            }
        })
        let client = try running.client()
        client.send(FastCGIClient.request(parameters: [("REQUEST_URI", "/")], keep: true))
        let bytes = try client.receiveToEnd()
        #expect(!bytes.isEmpty)
        // No FCGI_END_REQUEST among the records.
        var place = 0
        while place + 8 <= bytes.count {
            #expect(bytes[place + 1] == FastCGIClient.Kind.standardOutput)
            place += 8 + Int(bytes[place + 4]) << 8 + Int(bytes[place + 5]) + Int(bytes[place + 6])
        }
    }

    @Test func `HEAD gets the head of a stream, which is not begun`() throws {
        let begun = Atomic(false)
        let running = try RunningResponder(handler: { _ in
            Response(status: 200) { _ in
                begun.store(true, ordering: .relaxed)
                return true
            }
        })
        let client = try running.client()
        client.send(
            FastCGIClient.request(
                parameters: [("REQUEST_METHOD", "HEAD"), ("REQUEST_URI", "/")], keep: true))
        #expect(try client.answer().body.isEmpty)
        let isBegun = begun.load(ordering: .relaxed)
        #expect(!isBegun)
    }

    @Test func `a reader that takes nothing ends its stream, and no other`() throws {
        let ended = Gate()
        let running = try RunningResponder {
            $0.workers = 2
            $0.streamWriteTimeout = .milliseconds(100)
        } handler: { request in
            guard request.target == Array("/stream".utf8) else {
                return RunningResponder.echo(request)
            }
            return Response(status: 200) { writer in
                let piece = [UInt8](repeating: 7, count: 65_536)
                while writer.write(piece) {}
                ended.open()
                return false
            }
        }
        let stalled = try running.client()
        stalled.send(FastCGIClient.request(parameters: [("REQUEST_URI", "/stream")]))
        #expect(try running.client().get("/").text == "GET / -")
        ended.pass()
    }

    @Test func `a peer that closes is told of at once, one that only stops sending is not`() throws
    {
        let gate = Gate()
        let gone = Gate()
        let counted = Atomic(0)
        let running = try RunningResponder(handler: { request in
            guard request.target == Array("/wait".utf8) else {
                return RunningResponder.echo(request)
            }
            request.peer?.whenGone {
                counted.add(1, ordering: .relaxed)
                gone.open()
            }
            gate.pass()
            return Response(status: 200)
        })
        do {
            let client = try running.client()
            client.send(FastCGIClient.request(parameters: [("REQUEST_URI", "/wait")]))
            gate.awaitEntered()
        }
        gone.pass()
        gate.open()
        // Half closed: it still waits for its answer.
        let half = try running.client()
        half.send(FastCGIClient.request(parameters: [("REQUEST_URI", "/wait")]))
        half.finishSending()
        gate.awaitEntered()
        gate.open()
        #expect(try half.answer().body.isEmpty)
        #expect(counted.load(ordering: .relaxed) == 1)
        // What a request wanted done is not done for the next one on its connection.
        do {
            let client = try running.client()
            client.send(
                FastCGIClient.request(parameters: [("REQUEST_URI", "/wait")], keep: true))
            gate.awaitEntered()
            gate.open()
            _ = try client.answer()
            #expect(try client.get("/").text == "GET / -")
        }
        #expect(try running.client().get("/").text == "GET / -")
        #expect(counted.load(ordering: .relaxed) == 1)
    }

    @Test func `a peer that has gone before anybody asked is told of at once`() throws {
        let gate = Gate()
        let told = Gate()
        let running = try RunningResponder(handler: { request in
            gate.pass()
            // Heard on another thread: a moment after the close.
            while request.peer?.isGone == false { sched_yield() }
            request.peer?.whenGone { told.open() }
            return Response(status: 200)
        })
        do {
            let client = try running.client()
            client.send(FastCGIClient.request(parameters: [("REQUEST_URI", "/")]))
            gate.awaitEntered()
        }
        gate.open()
        told.pass()
    }
}
