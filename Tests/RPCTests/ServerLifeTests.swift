internal import Glibc
internal import Synchronization
internal import Testing

internal import Threads

@testable internal import RPC

@Suite struct ServerLifeTests {
    private static let echo: [String: RPCHandler] = [
        "/t.Service/Echo": .unary { _, request throws(RPCError) in request }
    ]

    @Test func `an absent socket fails within milliseconds, naming it`() throws {
        let socket = try TemporarySocket()
        let channel = RPCChannel(unixSocket: socket.path)
        for _ in 0..<10 {
            let start = ContinuousClock.now
            let thrown = errorOf { () throws(RPCError) in
                try channel.call("/t.Service/Echo", [], deadline: .ample)
            }
            #expect(thrown?.code == .unavailable)
            #expect(thrown?.isRetriable == true)
            #expect(thrown?.message.contains(socket.path) == true)
            #expect(ContinuousClock.now - start < .milliseconds(250))
        }
    }

    @Test func `only users that are welcome are heard`() throws {
        final class Refused: Sendable { let users = Mutex<[UInt32]>([]) }
        let refused = Refused()
        var configuration = RPCServerConfiguration()
        configuration.peers = [geteuid() + 1]
        configuration.refused = { user in refused.users.withLock { $0.append(user) } }
        try withServer(Self.echo, configuration) { test in
            let thrown = errorOf { () throws(RPCError) in
                try test.channel.call("/t.Service/Echo", [1], deadline: .ample)
            }
            #expect(thrown?.code == .unavailable)
            #expect(refused.users.withLock { $0.first } == geteuid())
        }
        configuration.peers = [geteuid()]
        try withServer(Self.echo, configuration) { test in
            try #expect(test.channel.call("/t.Service/Echo", [1], deadline: .ample) == [1])
        }
    }

    @Test(arguments: ["", String(repeating: "x", count: 108), "a\u{0}b"])
    func `a path that is none is an error`(path: String) {
        let channel = RPCChannel(unixSocket: path)
        let thrown = errorOf { () throws(RPCError) in
            try channel.call("/t.Service/Echo", [], deadline: .ample)
        }
        #expect(thrown?.code == .unavailable)
    }

    @Test func `the first call after a server's return is answered`() throws {
        let socket = try TemporarySocket()
        let channel = RPCChannel(unixSocket: socket.path)
        var took: [Duration] = []
        for round in 0..<20 {
            let test = try TestServer(Self.echo, on: socket)
            let start = ContinuousClock.now
            let request = [UInt8(round)]
            try #expect(channel.call("/t.Service/Echo", request, deadline: .ample) == request)
            took.append(ContinuousClock.now - start)
            test.stop()
            if round % 2 == 0 {
                let thrown = errorOf { () throws(RPCError) in
                    try channel.call("/t.Service/Echo", [], deadline: .ample)
                }
                #expect(thrown?.code == .unavailable)
            }
        }
        // The median: other tests run beside this one.
        #expect(took.sorted()[took.count / 2] < .milliseconds(200))
    }

    @Test func `a call made before the server takes its connection is answered`() throws {
        let socket = try TemporarySocket()
        // As systemd does for a service that has yet to start.
        let listener = try socket.listen()
        let channel = RPCChannel(unixSocket: socket.path)
        let answer = Monitor<[UInt8]?>(nil)
        let caller = try WorkerThread(name: "early") {
            let bytes = try? channel.call("/t.Service/Echo", [8], deadline: .ample)
            answer.update(waking: .all) { $0 = bytes }
        }
        // The caller's connection waits in the backlog.
        var waiting = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        #expect(poll(&waiting, 1, 20_000) == 1)
        let server = RPCServer(handlers: Self.echo)
        try server.start(listeningOn: listener)
        caller.join()
        #expect(answer.update(waking: .none) { $0 } == [8])
        channel.shutdown()
        server.stop(within: .seconds(5))
    }

    @Test func `a connection that nobody takes is unavailable, for all who wait for it at once`()
        throws
    {
        let socket = try TemporarySocket()
        // As systemd's socket of a service that ends again and again.
        let listener = try socket.listen()
        defer { close(listener) }
        let channel = RPCChannel(unixSocket: socket.path)
        let codes = Monitor<[RPCStatusCode?]>([])
        let start = ContinuousClock.now
        try concurrently(32) { _ in
            let thrown = errorOf { () throws(RPCError) in
                try channel.call("/t.Service/Echo", [8], deadline: .ample)
            }
            codes.update(waking: .none) { $0.append(thrown?.code) }
        }
        #expect(codes.update(waking: .none) { $0 }.allSatisfy { $0 == .unavailable })
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test func `a server that dies within a call is unavailable at once`() throws {
        let socket = try TemporarySocket()
        let listener = try socket.listen()
        let server = try WorkerThread(name: "dies") {
            let connection = accept(listener, nil, nil)
            var byte: UInt8 = 0
            // The call is on its way; the rest stays unread.
            read(connection, &byte, 1)
            close(connection)
        }
        let channel = RPCChannel(unixSocket: socket.path)
        let start = ContinuousClock.now
        let thrown = errorOf { () throws(RPCError) in
            try channel.call("/t.Service/Echo", [1], deadline: .ample)
        }
        #expect(thrown?.code == .unavailable)
        #expect(ContinuousClock.now - start < .seconds(2))
        server.join()
        close(listener)
    }

    @Test func `a peer that speaks no gRPC is an error, not a crash`() throws {
        let socket = try TemporarySocket()
        let listener = try socket.listen()
        let server = try WorkerThread(name: "babbles") {
            let connection = accept(listener, nil, nil)
            let text = Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8)
            write(connection, text, text.count)
            var byte: UInt8 = 0
            while read(connection, &byte, 1) > 0 {}
            close(connection)
        }
        let channel = RPCChannel(unixSocket: socket.path)
        let thrown = errorOf { () throws(RPCError) in
            try channel.call("/t.Service/Echo", [1], deadline: RPCDeadline(after: .seconds(5)))
        }
        #expect(thrown != nil)
        channel.shutdown()
        server.join()
        close(listener)
    }

    @Test func `stopping lets a call under way finish`() throws {
        let begun = Event()
        let stopping = Event()
        let handler = RPCHandler.unary { call, _ throws(RPCError) in
            begun.happen()
            while !call.isServerStopping { _ = call.waitUntilCancelled(for: .milliseconds(5)) }
            stopping.happen()
            _ = call.waitUntilCancelled(for: .milliseconds(100))
            return call.isCancelled ? [0] : [1]
        }
        let test = try TestServer(["/t.Service/Slow": handler])
        let channel = test.channel
        let answer = Monitor<[UInt8]?>(nil)
        let caller = try WorkerThread(name: "caller") {
            let bytes = try? channel.call("/t.Service/Slow", [], deadline: .ample)
            answer.update(waking: .all) { $0 = bytes }
        }
        #expect(begun.wait())
        let start = ContinuousClock.now
        test.server.stop(within: .seconds(20))
        #expect(ContinuousClock.now - start < .seconds(10))
        #expect(stopping.wait())
        caller.join()
        #expect(answer.update(waking: .none) { $0 } == [1])
        test.server.stop(within: .seconds(20))
        test.channel.shutdown()
    }

    @Test func `stopping cancels what has not finished in time`() throws {
        let begun = Monitor(0)
        let handlers: [String: RPCHandler] = [
            "/t.Service/Hang": .unary { call, _ throws(RPCError) in
                begun.update(waking: .all) { $0 += 1 }
                while !call.isCancelled { _ = call.waitUntilCancelled(for: .milliseconds(50)) }
                throw RPCError(.cancelled, "seen")
            },
            "/t.Service/Watch": .serverStreaming { call, _, writer throws(RPCError) in
                begun.update(waking: .all) { $0 += 1 }
                while true { try writer.send([UInt8](repeating: 0, count: 60_000)) }
            },
        ]
        let test = try TestServer(handlers)
        let channel = test.channel
        let thrown = Monitor<[RPCError?]>([])
        let isCut = Event()
        let callers = [
            try WorkerThread(name: "caller") {
                let error = errorOf { () throws(RPCError) in
                    try channel.call("/t.Service/Hang", [], deadline: .ample)
                }
                thrown.update(waking: .all) { $0.append(error) }
            },
            try WorkerThread(name: "watcher") {
                let error = errorOf { () throws(RPCError) in
                    try channel.stream("/t.Service/Watch", [], deadline: .ample) { _ in
                        _ = isCut.wait()
                    }
                }
                thrown.update(waking: .all) { $0.append(error) }
            },
        ]
        #expect(begun.wait(until: RPCDeadline.ample.monotonic) { $0 == 2 ? true : nil } == true)
        let start = ContinuousClock.now
        test.server.stop(within: .milliseconds(100))
        let took = ContinuousClock.now - start
        #expect(took >= .milliseconds(100) && took < .seconds(3), "\(took)")
        isCut.happen()
        for caller in callers { caller.join() }
        #expect(thrown.update(waking: .none) { $0 }.map(\.?.code) == [.unavailable, .unavailable])
        channel.shutdown()
    }

    @Test func `an idle server stops at once, with clients connected`() throws {
        let test = try TestServer(Self.echo)
        try #expect(test.channel.call("/t.Service/Echo", [1], deadline: .ample) == [1])
        let start = ContinuousClock.now
        test.server.stop(within: .seconds(20))
        #expect(ContinuousClock.now - start < .seconds(2))
        test.channel.shutdown()
    }

    @Test func `stopping twice at once, or before a start, is harmless`() throws {
        let never = RPCServer(handlers: Self.echo)
        never.stop(within: .seconds(1))
        let test = try TestServer(Self.echo)
        let server = test.server
        try concurrently(4) { _ in server.stop(within: .seconds(1)) }
        test.channel.shutdown()
    }

    @Test func `a descriptor that is no socket is an error`() throws {
        let server = RPCServer(handlers: Self.echo)
        let thrown = errorOf { () throws(RPCError) in try server.start(listeningOn: -1) }
        #expect(thrown?.code == .invalidArgument)
        server.stop(within: .seconds(1))
    }

    @Test func `under load a stop and a new start cost only retriable errors`() throws {
        let socket = try TemporarySocket()
        let channel = RPCChannel(unixSocket: socket.path)
        let isOver = Atomic<Bool>(false)
        let answered = Atomic<Int>(0)
        let odd = Monitor<[String]>([])
        let first = try TestServer(Self.echo, on: socket)
        let load = try WorkerThread(name: "load") {
            try? concurrently(16) { caller in
                while !isOver.load(ordering: .relaxed) {
                    let request = [UInt8(caller)]
                    do throws(RPCError) {
                        let answer = try channel.call("/t.Service/Echo", request, deadline: .ample)
                        if answer != request {
                            odd.update(waking: .none) { $0.append("\(answer)") }
                        }
                        answered.add(1, ordering: .relaxed)
                    } catch {
                        if !error.isRetriable {
                            odd.update(waking: .none) { $0.append("\(error)") }
                        }
                        sched_yield()
                    }
                }
            }
        }
        var test = first
        for _ in 0..<10 {
            let before = answered.load(ordering: .relaxed)
            let end = RPCDeadline.ample
            while answered.load(ordering: .relaxed) < before + 200, !end.hasPassed { sched_yield() }
            #expect(answered.load(ordering: .relaxed) >= before + 200)
            test.stop()
            test = try TestServer(Self.echo, on: socket)
        }
        isOver.store(true, ordering: .relaxed)
        load.join()
        test.stop()
        #expect(odd.update(waking: .none) { $0 } == [])
    }
}
