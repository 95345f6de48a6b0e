internal import FastCGI
internal import Testing

@Suite struct `Malformed bytes` {
    private typealias Client = FastCGIClient

    private static let parameters = FastCGIClient.pairs([
        ("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/"),
    ])
    private static let begin = FastCGIClient.begin()
    private static let request = FastCGIClient.request(
        parameters: [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")], body: [1, 2, 3])

    /// Sends, half-closes, and sees the connection end; then another one is answered.
    private func check(_ bytes: [UInt8], on running: RunningResponder) throws {
        let client = try running.client()
        client.send(bytes)
        client.finishSending()
        try client.receiveToEnd()
        #expect(try running.client().get("/").text == "GET / -")
    }

    private static let cases: [(String, [UInt8])] = [
        ("version 0", Client.record(version: 0, 1, 1, [0, 1, 1, 0, 0, 0, 0, 0])),
        ("version 2", Client.record(version: 2, 1, 1, [0, 1, 1, 0, 0, 0, 0, 0])),
        ("HTTP", Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)),
        ("begin with id 0", Client.begin(id: 0)),
        ("short begin", Client.record(1, 1, [0, 1, 1])),
        ("long begin", Client.record(1, 1, [0, 1, 1, 0, 0, 0, 0, 0, 0])),
        ("empty begin", Client.record(1, 1, [])),
        ("begin twice", begin + begin + Client.begin(id: 2)),
        ("a NUL in a name", Client.request(parameters: [("REQUEST_METHOD\0X", "GET")])),
        ("a NUL in a value", Client.request(parameters: [("REQUEST_URI", "/\0x")])),
        ("a = in a name", Client.request(parameters: [("REQUEST_URI=/secret", "x")])),
        ("role authorizer", Client.request(role: 2, parameters: [("A", "b")])),
        ("role filter", Client.request(role: 3, parameters: [("A", "b")])),
        ("role unknown", Client.request(role: 99, parameters: [("A", "b")])),
        ("parameters without begin", Client.record(4, 1, parameters)),
        ("body without begin", Client.record(5, 1, [1])),
        ("body instead of parameters", begin + Client.record(5, 1, [1])),
        (
            "parameters after their end",
            begin + Client.stream(4, 1, parameters, cut: 99) + Client.record(4, 1, parameters)
        ),
        ("parameters of another request", begin + Client.stream(4, 2, parameters, cut: 99)),
        (
            "name longer than the stream",
            begin + Client.stream(4, 1, [100, 1, 65], cut: 99)
        ),
        (
            "value longer than the stream",
            begin + Client.stream(4, 1, [1, 100, 65, 66], cut: 99)
        ),
        ("cut length", begin + Client.stream(4, 1, [0x80, 0], cut: 99)),
        ("no value length", begin + Client.stream(4, 1, [3], cut: 99)),
        ("a name of 16 MiB", begin + Client.stream(4, 1, [0x81, 0, 0, 0, 1, 65], cut: 99)),
        (
            "a name of 2 GiB",
            begin + Client.stream(4, 1, [0xff, 0xff, 0xff, 0xff, 1, 65], cut: 99)
        ),
        ("abort", begin + Client.record(2, 1, [])),
        (
            "abort in the body",
            begin + Client.stream(4, 1, parameters, cut: 99) + Client.record(2, 1, [])
        ),
        ("data record", begin + Client.record(8, 1, [1])),
        ("end record", Client.record(3, 1, [0, 0, 0, 0, 0, 0, 0, 0])),
        ("unknown management record", Client.record(77, 0, [1, 2, 3])),
        ("question about the limits", Client.record(9, 0, Client.pairs([("FCGI_MAX_REQS", "")]))),
        ("type 0", Client.record(0, 1, [1])),
    ]

    @Test(arguments: cases)
    func `end one connection and nothing else`(_ name: String, _ bytes: [UInt8]) throws {
        let running = try RunningResponder { $0.workers = 1 }
        try check(bytes, on: running)
    }

    @Test func `end one connection wherever a request is cut`() throws {
        let running = try RunningResponder { $0.workers = 1 }
        for count in 1..<Self.request.count {
            let client = try running.client()
            client.send(Array(Self.request.prefix(count)))
            client.finishSending()
            #expect(try client.receiveToEnd().isEmpty, "cut after \(count)")
        }
        #expect(try running.settles(atOpenSockets: 1))
        #expect(try running.client().get("/").text == "GET / -")
    }

    @Test func `of the parameters' end alone are no request`() throws {
        // libfcgi itself takes parameters that end with the connection for whole ones.
        let running = try RunningResponder { $0.workers = 1 }
        let client = try running.client()
        client.send(Self.begin + Client.record(4, 1, Self.parameters))
        client.finishSending()
        #expect(try client.receiveToEnd().isEmpty)
    }

    /// What libfcgi itself does not survive.
    @Test(arguments: [
        begin + Client.stream(4, 1, [0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xfe, 65], cut: 99),
        Client.record(9, 0, Client.pairs((0..<100).map { _ in ("FCGI_MAX_CONNS", "") })) + request,
        begin + Client.stream(4, 1, parameters, cut: 99)
            + Client.record(9, 0, Client.pairs((0..<100).map { _ in ("FCGI_MAX_CONNS", "") })),
    ])
    func `that end libfcgi do not reach it`(_ bytes: [UInt8]) throws {
        try check(bytes, on: try RunningResponder { $0.workers = 1 })
    }

    @Test func `of parameters without end are refused at the bound`() throws {
        let running = try RunningResponder { $0.workers = 1 }
        let client = try running.client()
        client.send(Self.begin)
        let record = Client.record(4, 1, [UInt8](repeating: 0, count: 60_000))
        var count = 0
        while client.send(record) { count += 1 }
        #expect((3...8).contains(count))
        #expect(try running.client().get("/").text == "GET / -")
    }

    /// Requests with up to 4 changed bytes, half of them in the record headers.
    @Test func `made at random end one connection and nothing else`() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix(state: seed)
        let heads = [0, 16, 24 + Self.parameters.count, 32 + Self.parameters.count]
        let running = try RunningResponder { $0.readTimeout = .milliseconds(200) }
        for _ in 0..<3_000 {
            var bytes = Self.request
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let head = heads[Int.random(in: 0..<4, using: &random)]
                let place =
                    Bool.random(using: &random)
                    ? head + Int.random(in: 0..<8, using: &random)
                    : Int.random(in: bytes.indices, using: &random)
                bytes[place] = UInt8.random(in: 0...255, using: &random)
            }
            let client = try running.client()
            client.send(bytes)
            client.finishSending()
            #expect(throws: Never.self, "seed \(seed)") { try client.receiveToEnd() }
        }
        #expect(try running.client().get("/").text == "GET / -")
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
