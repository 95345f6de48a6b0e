internal import Glibc
internal import Synchronization
internal import Testing

internal import Threads

@testable internal import RPC

@Suite struct StreamTests {
    @Test func `10,000 messages arrive in order`() throws {
        let handler = RPCHandler.serverStreaming { _, request, writer throws(RPCError) in
            for index in 0..<10_000 {
                try writer.send([UInt8(index & 255), UInt8(index >> 8)] + request)
            }
        }
        try withServer(["/t.Service/Count": handler]) { test in
            var received: [[UInt8]] = []
            try test.channel.stream("/t.Service/Count", [9, 9], deadline: .ample) {
                received.append($0)
            }
            #expect(received == (0..<10_000).map { [UInt8($0 & 255), UInt8($0 >> 8), 9, 9] })
        }
    }

    @Test func `a writer waits for a slow reader`() throws {
        let sent = Atomic<Int>(0)
        let isFull = Event()
        let handler = RPCHandler.serverStreaming { _, _, writer throws(RPCError) in
            for index in 0..<1_000 {
                try writer.send([UInt8](repeating: UInt8(index & 255), count: 10_000))
                sent.add(1, ordering: .sequentiallyConsistent)
            }
            isFull.happen()
        }
        try withServer(["/t.Service/Flood": handler]) { test in
            var count = 0
            try test.channel.stream("/t.Service/Flood", [], deadline: .ample) {
                message throws(RPCError) in
                if count == 0 {
                    // Long enough to send all 10 MB, if nothing held it back.
                    #expect(!isFull.wait(.milliseconds(300)))
                    #expect(sent.load(ordering: .sequentiallyConsistent) < 100)
                }
                #expect(message == [UInt8](repeating: UInt8(count & 255), count: 10_000))
                count += 1
            }
            #expect(count == 1_000)
        }
    }

    @Test(arguments: [0, 1, 3])
    func `a stream that ends with an error gives what came before it`(count: Int) throws {
        let handler = RPCHandler.serverStreaming { _, _, writer throws(RPCError) in
            for index in 0..<count { try writer.send([UInt8(index)]) }
            throw RPCError(.aborted, "enough")
        }
        try withServer(["/t.Service/Fail": handler]) { test in
            var received: [[UInt8]] = []
            let thrown = errorOf { () throws(RPCError) in
                try test.channel.stream("/t.Service/Fail", [], deadline: .ample) {
                    received.append($0)
                }
            }
            #expect(thrown == RPCError(.aborted, "enough"))
            #expect(received == (0..<count).map { [UInt8($0)] })
        }
    }

    @Test func `an error of the reader cancels the call, and the writer sees it`() throws {
        let end = Monitor<RPCError?>(nil)
        let ended = Event()
        let handler = RPCHandler.serverStreaming { _, _, writer throws(RPCError) in
            defer { ended.happen() }
            while true {
                do throws(RPCError) {
                    try writer.send([1, 2, 3])
                } catch {
                    end.update(waking: .none) { $0 = error }
                    throw error
                }
            }
        }
        try withServer(["/t.Service/Endless": handler]) { test in
            var count = 0
            let thrown = errorOf { () throws(RPCError) in
                try test.channel.stream("/t.Service/Endless", [], deadline: .ample) {
                    _ throws(RPCError) in
                    count += 1
                    if count == 5 { throw RPCError(.dataLoss, "the reader has enough") }
                }
            }
            #expect(thrown == RPCError(.dataLoss, "the reader has enough"))
            #expect(count == 5)
            #expect(ended.wait())
            #expect(end.update(waking: .none) { $0 }?.code == .cancelled)
        }
    }

    @Test func `a stream that only waits learns of the client's end`() throws {
        let ended = Event()
        let handler = RPCHandler.serverStreaming { call, _, writer throws(RPCError) in
            try writer.send([1])
            while !call.waitUntilCancelled(for: .seconds(20)) {}
            ended.happen()
        }
        try withServer(["/t.Service/Watch": handler]) { test in
            let thrown = errorOf { () throws(RPCError) in
                try test.channel.stream("/t.Service/Watch", [], deadline: .ample) {
                    _ throws(RPCError) in throw RPCError(.cancelled, "seen")
                }
            }
            #expect(thrown == RPCError(.cancelled, "seen"))
            #expect(ended.wait(.seconds(5)))
        }
    }

    @Test func `a stream that says nothing for too long is given up, on the server too`() throws {
        let ended = Event()
        let handler = RPCHandler.serverStreaming { call, _, writer throws(RPCError) in
            try writer.send([1])
            while !call.waitUntilCancelled(for: .seconds(20)) {}
            ended.happen()
        }
        try withServer(["/t.Service/Watch": handler]) { test in
            let stream = try test.channel.open("/t.Service/Watch", [], deadline: .ample)
            #expect(try stream.next(within: .seconds(20)) == [1])
            let thrown = errorOf { () throws(RPCError) in
                _ = try stream.next(within: .milliseconds(50))
            }
            #expect(thrown?.code == .deadlineExceeded)
            #expect(ended.wait(.seconds(5)))
            #expect(try stream.next(within: .seconds(20)) == nil)
        }
    }

    /// A server that carries another call and takes no connection hangs: the stream's own deadline is far away.
    @Test func `a server that takes no connection is given up in time`() throws {
        let gate = Event()
        let begun = Event()
        let handler = RPCHandler.unary { _, _ throws(RPCError) in
            begun.happen()
            _ = gate.wait()
            return []
        }
        try withServer(["/t.Service/Hang": handler]) { test in
            let caller = try WorkerThread(name: "caller") {
                _ = try? test.channel.call("/t.Service/Hang", [], deadline: .ample)
            }
            #expect(begun.wait())
            // Whoever listens there now never speaks.
            let deaf = try test.socket.listen()
            defer { close(deaf) }
            let start = MonotonicClock.now
            let thrown = errorOf { () throws(RPCError) in
                _ = try test.channel.open(
                    "/t.Service/Hang", [], deadline: .none, patience: .milliseconds(900))
            }
            #expect(thrown?.code == .deadlineExceeded)
            #expect(MonotonicClock.now - start < 8_000_000_000)
            gate.happen()
            caller.join()
        }
    }

    @Test func `a server that hangs before its first word is given up in time`() throws {
        let gate = Event()
        let handler = RPCHandler.serverStreaming { call, _, _ throws(RPCError) in
            _ = gate.wait()
        }
        try withServer(["/t.Service/Hang": handler]) { test in
            defer { gate.happen() }
            let begun = MonotonicClock.now
            let stream = try test.channel.open("/t.Service/Hang", [], deadline: .ample)
            let thrown = errorOf { () throws(RPCError) in
                _ = try stream.next(within: .milliseconds(50))
            }
            #expect(thrown?.code == .deadlineExceeded)
            #expect(MonotonicClock.now - begun < 5_000_000_000)
        }
    }

    @Test func `a stream that is let go of is cancelled, and its place can be used again`() throws {
        let ended = Monitor(0)
        let handler = RPCHandler.serverStreaming { call, _, writer throws(RPCError) in
            defer { ended.update(waking: .all) { $0 += 1 } }
            while true { try writer.send([1]) }
        }
        let quick = RPCHandler.serverStreaming { _, _, writer throws(RPCError) in
            try writer.send([1])
        }
        try withServer(["/t.Service/Endless": handler, "/t.Service/Quick": quick]) { test in
            for round in 1...20 {
                // Before its first word: the server may not have begun at all.
                _ = try test.channel.open("/t.Service/Quick", [], deadline: .ample)
                do {
                    let stream = try test.channel.open(
                        "/t.Service/Endless", [], deadline: .ample)
                    #expect(try stream.next(within: .seconds(20)) == [1])
                }
                let count: Int? = ended.wait(until: MonotonicClock.now + 5_000_000_000) {
                    $0 == round ? $0 : nil
                }
                #expect(count == round)
            }
        }
    }

    @Test func `a stream that is let go of costs no other call its connection`() throws {
        let meeting = Monitor(0)
        let handlers: [String: RPCHandler] = [
            "/t.Service/Endless": .serverStreaming { _, _, writer throws(RPCError) in
                while true { try writer.send([1]) }
            },
            // Returns when six are there, so that each has a connection.
            "/t.Service/Meet": .unary { _, _ throws(RPCError) in
                meeting.update(waking: .all) { $0 += 1 }
                let all: Bool? = meeting.wait(until: MonotonicClock.now + 5_000_000_000) {
                    $0 >= 6 ? true : nil
                }
                return all == true ? [1] : []
            },
        ]
        try withServer(handlers) { test in
            try concurrently(6) { _ in
                _ = try? test.channel.call("/t.Service/Meet", [], deadline: .ample)
            }
            let before = test.channel.idleConnections
            #expect(before == 6)
            for _ in 0..<5 {
                let stream = try test.channel.open("/t.Service/Endless", [], deadline: .ample)
                #expect(try stream.next(within: .seconds(20)) == [1])
                stream.cancel()
                #expect(test.channel.idleConnections == before)
            }
        }
    }

    @Test(arguments: [true, false])
    func `another thread gives a call up, before it begins or while it waits`(isStream: Bool) throws
    {
        let begun = Event()
        let ended = Event()
        let wait: @Sendable (RPCServerCall) -> Void = { call in
            begun.happen()
            while !call.waitUntilCancelled(for: .seconds(20)) {}
            ended.happen()
        }
        let handlers: [String: RPCHandler] = [
            "/t.Service/Watch": .serverStreaming { call, _, _ throws(RPCError) in wait(call) },
            "/t.Service/Wait": .unary { call, _ throws(RPCError) in
                wait(call)
                return []
            },
        ]
        try withServer(handlers) { test in
            let ask = { (cancellation: RPCCancellation) in
                errorOf { () throws(RPCError) in
                    if isStream {
                        _ = try test.channel.open(
                            "/t.Service/Watch", [], deadline: .ample, cancellation: cancellation
                        ).next(within: .seconds(20))
                    } else {
                        _ = try test.channel.call(
                            "/t.Service/Wait", [], deadline: .ample, cancellation: cancellation)
                    }
                }
            }
            let cancellation = RPCCancellation()
            let canceller = try WorkerThread(name: "canceller") {
                _ = begun.wait()
                cancellation.cancel()
            }
            #expect(ask(cancellation)?.code == .cancelled)
            canceller.join()
            #expect(ended.wait(.seconds(5)))
            // For good.
            #expect(cancellation.isCancelled && ask(cancellation)?.code == .cancelled)
        }
    }

    @Test func `a deadline ends a stream whose writer is held back`() throws {
        let end = Monitor<RPCError?>(nil)
        let begun = Event()
        let ended = Event()
        let handler = RPCHandler.serverStreaming { _, _, writer throws(RPCError) in
            begun.happen()
            defer { ended.happen() }
            while true {
                do throws(RPCError) {
                    try writer.send([UInt8](repeating: 0, count: 50_000))
                } catch {
                    end.update(waking: .none) { $0 = error }
                    throw error
                }
            }
        }
        try withServer(["/t.Service/Endless": handler]) { test in
            let thrown = errorOf { () throws(RPCError) in
                try test.channel.stream(
                    "/t.Service/Endless", [], deadline: RPCDeadline(after: .milliseconds(200))
                ) { _ throws(RPCError) in _ = ended.wait() }
            }
            #expect(thrown?.code == .deadlineExceeded)
            // On a busy machine the deadline may pass before the handler is reached.
            guard begun.wait(.zero) else { return }
            #expect(ended.wait())
            // The client's clock may be the first to see it.
            let code = end.update(waking: .none) { $0 }?.code
            #expect(code == .deadlineExceeded || code == .cancelled)
        }
    }

    @Test func `streams past the bound are refused at once, and hold up no other call`() throws {
        let handlers: [String: RPCHandler] = [
            "/t.Service/Watch": .serverStreaming { call, _, writer throws(RPCError) in
                try writer.send([1])
                while !call.waitUntilCancelled(for: .seconds(20)) {}
            },
            "/t.Service/Echo": .unary { _, request throws(RPCError) in request },
        ]
        let bounds = RPCServerConfiguration(unaryThreads: 2, streamThreads: 3)
        try withServer(handlers, bounds) { test in
            let channel = RPCChannel(unixSocket: test.socket.path)
            let open = Monitor(0)
            var watchers: [WorkerThread] = []
            for _ in 0..<3 {
                watchers.append(
                    try WorkerThread(name: "watcher") {
                        _ = errorOf { () throws(RPCError) in
                            try channel.stream("/t.Service/Watch", [], deadline: .ample) { _ in
                                open.update(waking: .all) { $0 += 1 }
                            }
                        }
                    })
            }
            #expect(open.wait(until: RPCDeadline.ample.monotonic) { $0 == 3 ? true : nil } == true)
            for _ in 0..<20 {
                let start = ContinuousClock.now
                let thrown = errorOf { () throws(RPCError) in
                    try test.channel.stream("/t.Service/Watch", [], deadline: .ample) { _ in }
                }
                #expect(thrown?.code == .resourceExhausted)
                #expect(ContinuousClock.now - start < .seconds(2))
                try #expect(test.channel.call("/t.Service/Echo", [4], deadline: .ample) == [4])
            }
            channel.shutdown()
            for watcher in watchers { watcher.join() }
            // The places are free again, as soon as the server has seen the watchers go.
            var answered = false
            while !answered {
                let thrown = errorOf { () throws(RPCError) in
                    try test.channel.stream("/t.Service/Watch", [], deadline: .ample) {
                        _ throws(RPCError) in throw RPCError(.aborted, "a place")
                    }
                }
                answered = thrown?.code == .aborted
                try #require(answered || thrown?.code == .resourceExhausted)
            }
        }
    }

    @Test func `an unary call of a streaming method takes its only message`() throws {
        let handler = RPCHandler.serverStreaming { _, request, writer throws(RPCError) in
            if !request.isEmpty { try writer.send(request) }
        }
        try withServer(["/t.Service/One": handler]) { test in
            try #expect(test.channel.call("/t.Service/One", [5], deadline: .ample) == [5])
            let thrown = errorOf { () throws(RPCError) in
                try test.channel.call("/t.Service/One", [], deadline: .ample)
            }
            #expect(thrown?.code == .internalError)
        }
    }
}
