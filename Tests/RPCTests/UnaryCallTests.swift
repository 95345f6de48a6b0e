internal import Glibc
internal import Synchronization
internal import Testing

internal import Threads

@testable internal import RPC

@Suite struct UnaryCallTests {
    private static let echo = RPCHandler.unary { _, request throws(RPCError) in request }

    @Test func `an answer, the metadata and the deadline arrive`() throws {
        let seen = Monitor<(traceparent: String?, other: String?, left: Duration?)>((nil, nil, nil))
        let handler = RPCHandler.unary { call, request throws(RPCError) in
            seen.update(waking: .none) {
                $0 = (
                    call.metadata["traceparent"], call.metadata["x-none"], call.deadline.remaining
                )
            }
            return request.reversed()
        }
        try withServer(["/t.Service/Reverse": handler]) { test in
            var metadata = RPCMetadata()
            metadata.append(
                "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            let answer = try test.channel.call(
                "/t.Service/Reverse", [1, 2, 3], metadata: metadata,
                deadline: RPCDeadline(after: .seconds(10)))
            #expect(answer == [3, 2, 1])
            let (traceparent, other, left) = seen.update(waking: .none) { $0 }
            #expect(traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            #expect(other == nil)
            let remaining = try #require(left)
            #expect(remaining > .seconds(8) && remaining <= .seconds(10.1))
        }
    }

    /// As where the disk is cold: it is threads that wait, not cores.
    @Test func `calls that wait for something wait side by side`() throws {
        let handler = RPCHandler.unary { _, _ throws(RPCError) in
            usleep(2_000)
            return []
        }
        try withServer(["/t.Service/Wait": handler]) { test in
            let begun = MonotonicClock.now
            let failed = Atomic(0)
            try concurrently(16) { _ in
                for _ in 0..<50 {
                    let error = errorOf { () throws(RPCError) in
                        _ = try test.channel.call("/t.Service/Wait", [], deadline: .ample)
                    }
                    if error != nil { failed.add(1, ordering: .relaxed) }
                }
            }
            #expect(failed.load(ordering: .relaxed) == 0)
            // One behind the other: 1.6 s. By eight threads: 0.2 s.
            let took = Double(MonotonicClock.now - begun) / 1e9
            #expect(took < 1, "\(took) s")
        }
    }

    @Test(arguments: [0, 1, 22, 23, 24, 5_000, 65_536, 1_000_000, 4 * 1024 * 1024])
    func `a message of any length comes back whole`(length: Int) throws {
        try withServer(["/t.Service/Echo": Self.echo]) { test in
            let message = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            let answer = try test.channel.call("/t.Service/Echo", message, deadline: .ample)
            #expect(answer == message)
        }
    }

    @Test(arguments: [
        RPCError(.invalidArgument, "q: empty"), RPCError(.notFound, "no ñandú, no 東京, no 🦊"),
        RPCError(.internalError, "a\nb\u{0}c\t%41 \"'"), RPCError(.deadlineExceeded, ""),
        RPCError(.resourceExhausted, " spaces at both ends "), RPCError(.unavailable, "later"),
        RPCError(.permissionDenied, "x"), RPCError(.unauthenticated, "y"),
    ])
    func `what a handler throws is what the caller gets`(error: RPCError) throws {
        let handler = RPCHandler.unary { _, _ throws(RPCError) in throw error }
        try withServer(["/t.Service/Fail": handler]) { test in
            let thrown = errorOf { () throws(RPCError) in
                try test.channel.call("/t.Service/Fail", [], deadline: .ample)
            }
            #expect(thrown == error)
        }
    }

    @Test func `a long message of an error is cut at a character`() throws {
        let handler = RPCHandler.unary { _, _ throws(RPCError) in
            throw RPCError(.notFound, String(repeating: "ñ", count: 511) + "🦊🦊🦊")
        }
        try withServer(["/t.Service/Fail": handler]) { test in
            let thrown = errorOf { () throws(RPCError) in
                try test.channel.call("/t.Service/Fail", [], deadline: .ample)
            }
            #expect(thrown == RPCError(.notFound, String(repeating: "ñ", count: 511)))
        }
    }

    @Test(arguments: [RPCStatusCode.ok, RPCStatusCode(rawValue: 99), RPCStatusCode(rawValue: -1)])
    func `a code that no failure has goes out as unknown`(code: RPCStatusCode) throws {
        let handler = RPCHandler.unary { _, _ throws(RPCError) in throw RPCError(code, "odd") }
        try withServer(["/t.Service/Fail": handler]) { test in
            let thrown = errorOf { () throws(RPCError) in
                try test.channel.call("/t.Service/Fail", [], deadline: .ample)
            }
            #expect(thrown == RPCError(.unknown, "odd"))
        }
    }

    @Test func `an unknown method is answered at once`() throws {
        try withServer(["/t.Service/Echo": Self.echo]) { test in
            for method in ["/t.Service/Ech", "/", "", "no slash", "/t/\u{1F98A}"] {
                let start = ContinuousClock.now
                let thrown = errorOf { () throws(RPCError) in
                    try test.channel.call(method, [1], deadline: .ample)
                }
                #expect(thrown?.code == .unimplemented, "\(method): \(String(describing: thrown))")
                #expect(ContinuousClock.now - start < .seconds(2))
            }
            try #expect(test.channel.call("/t.Service/Echo", [7], deadline: .ample) == [7])
        }
    }

    @Test func `a deadline ends the call in time on both sides`() throws {
        let begun = Event()
        let ended = Event()
        let handler = RPCHandler.unary { call, _ throws(RPCError) in
            begun.happen()
            while !call.isCancelled { _ = call.waitUntilCancelled(for: .seconds(20)) }
            ended.happen()
            return []
        }
        try withServer(["/t.Service/Hang": handler]) { test in
            let start = ContinuousClock.now
            let thrown = errorOf { () throws(RPCError) in
                try test.channel.call(
                    "/t.Service/Hang", [], deadline: RPCDeadline(after: .milliseconds(100)))
            }
            let took = ContinuousClock.now - start
            #expect(thrown?.code == .deadlineExceeded)
            #expect(took >= .milliseconds(99) && took < .milliseconds(600), "\(took)")
            // On a busy machine the deadline may pass before the handler is reached.
            if begun.wait(.zero) { #expect(ended.wait()) }
        }
    }

    @Test func `a deadline that has passed reaches nobody`() throws {
        let channel = RPCChannel(unixSocket: "/nonexistent/socket")
        let thrown = errorOf { () throws(RPCError) in
            try channel.call("/t.Service/Echo", [], deadline: RPCDeadline(after: .seconds(-1)))
        }
        #expect(thrown?.code == .deadlineExceeded)
    }

    @Test func `each of 64 callers gets its own answers`() throws {
        let handler = RPCHandler.unary { call, request throws(RPCError) in
            let who = call.metadata["x-caller"] ?? ""
            return Array(who.utf8) + request + [UInt8](repeating: request.first ?? 0, count: 5_000)
        }
        try withServer(["/t.Service/Work": handler]) { test in
            let wrong = Atomic<Int>(0)
            try concurrently(64) { caller in
                for round in 0..<200 {
                    let request = [UInt8(caller), UInt8(round & 255), UInt8(round >> 8)]
                    var metadata = RPCMetadata()
                    metadata.append("x-caller", "caller-\(caller)")
                    let answer = try? test.channel.call(
                        "/t.Service/Work", request, metadata: metadata, deadline: .ample)
                    let expected =
                        Array("caller-\(caller)".utf8) + request
                        + [UInt8](repeating: UInt8(caller), count: 5_000)
                    if answer != expected { wrong.add(1, ordering: .relaxed) }
                }
            }
            #expect(wrong.load(ordering: .relaxed) == 0)
        }
    }

    @Test func `a call that takes long holds up no other`() throws {
        let begun = Monitor(0)
        let isOver = Event()
        let handlers: [String: RPCHandler] = [
            "/t.Service/Echo": .unary { _, request throws(RPCError) in request },
            "/t.Service/Long": .unary { _, request throws(RPCError) in
                begun.update(waking: .all) { $0 += 1 }
                _ = isOver.wait()
                return request
            },
        ]
        var configuration = RPCServerConfiguration()
        configuration.unaryThreads = 4
        try withServer(handlers, configuration) { test in
            let channel = test.channel
            let long = Monitor(0)
            var threads: [WorkerThread] = []
            // All threads but one, one after the other.
            for count in 1..<configuration.unaryThreads {
                let caller = try WorkerThread(name: "long") {
                    let answer = try? channel.call("/t.Service/Long", [1], deadline: .ample)
                    long.update(waking: .all) { $0 += answer == [1] ? 1 : 0 }
                }
                #expect(
                    begun.wait(until: RPCDeadline.ample.monotonic) { $0 == count ? true : nil }
                        == true)
                for _ in 0..<20 {
                    try #expect(channel.call("/t.Service/Echo", [2], deadline: .ample) == [2])
                }
                threads.append(caller)
            }
            isOver.happen()
            for thread in threads { thread.join() }
            #expect(long.update(waking: .none) { $0 } == configuration.unaryThreads - 1)
        }
    }

    @Test func `messages over a bound are refused on each of the four ways`() throws {
        let big = [UInt8](repeating: 1, count: 5 * 1024 * 1024)
        let handlers: [String: RPCHandler] = [
            "/t.Service/Echo": Self.echo, "/t.Service/Big": .unary { _, _ throws(RPCError) in big },
        ]
        // The server's bound, and the client's: each is larger than the other once.
        let tolerant = RPCServerConfiguration(requestBytesMax: 1 << 20, answerBytesMax: 1 << 24)
        for configuration in [RPCServerConfiguration(), tolerant] {
            try withServer(handlers, configuration) { test in
                let permissive = RPCChannel(unixSocket: test.socket.path, messageBytesMax: 1 << 24)
                for (channel, method, request) in [
                    (test.channel, "/t.Service/Echo", big), (permissive, "/t.Service/Echo", big),
                    (test.channel, "/t.Service/Big", []),
                ] {
                    let thrown = errorOf { () throws(RPCError) in
                        try channel.call(method, request, deadline: .ample)
                    }
                    #expect(thrown?.code == .resourceExhausted, "\(String(describing: thrown))")
                    #expect(thrown?.message.isEmpty == false)
                    try #expect(channel.call("/t.Service/Echo", [1], deadline: .ample) == [1])
                }
            }
        }
    }

    @Test func `as much metadata as gets in arrives`() throws {
        let count = Atomic<Int>(0)
        let handler = RPCHandler.unary { call, request throws(RPCError) in
            let own = call.metadata.entries.filter { $0.key.hasPrefix("x-") && $0.value == "v" }
            count.store(own.count, ordering: .relaxed)
            return Array((call.metadata["x-long"] ?? "").utf8)
        }
        try withServer(["/t.Service/Count": handler]) { test in
            var long = RPCMetadata()
            long.append("x-long", String(repeating: "~", count: 4_000))
            let answer = try test.channel.call(
                "/t.Service/Count", [], metadata: long, deadline: .ample)
            #expect(answer == [UInt8](repeating: UInt8(ascii: "~"), count: 4_000))
            var many = RPCMetadata()
            for index in 0..<200 { many.append("x-\(index)", "v") }
            _ = try test.channel.call("/t.Service/Count", [], metadata: many, deadline: .ample)
            #expect(count.load(ordering: .relaxed) == many.entries.count)
        }
    }

    @Test func `a channel that is shut down cancels its calls and takes no more`() throws {
        let begun = Event()
        let ended = Event()
        let handler = RPCHandler.unary { call, _ throws(RPCError) in
            begun.happen()
            while !call.waitUntilCancelled(for: .seconds(20)) {}
            ended.happen()
            return []
        }
        try withServer(["/t.Service/Hang": handler]) { test in
            let channel = test.channel
            let thrown = Monitor<RPCError?>(nil)
            let caller = try WorkerThread(name: "caller") {
                let error = errorOf { () throws(RPCError) in
                    try channel.call("/t.Service/Hang", [], deadline: .ample)
                }
                thrown.update(waking: .all) { $0 = error }
            }
            #expect(begun.wait())
            channel.shutdown()
            channel.shutdown()
            caller.join()
            #expect(thrown.update(waking: .none) { $0 }?.code == .cancelled)
            #expect(ended.wait())
            let late = errorOf { () throws(RPCError) in
                try channel.call("/t.Service/Hang", [], deadline: .ample)
            }
            #expect(late?.code == .cancelled)
        }
    }
}
