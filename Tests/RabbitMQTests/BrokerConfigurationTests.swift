import TestSupport
import Testing

@testable import RabbitMQ

@Suite struct BrokerConfigurationTests {
    @Test func `a URL's parts and defaults are read`() throws {
        let full = try BrokerConfiguration(
            url: "amqp://us%40er:p%3A%2Fw%25@h1:5673,h-2.example,[::1]:5674,[fe80::1]/v%2Fhost")
        #expect(full.user == "us@er")
        #expect(full.password == "p:/w%")
        #expect(
            full.hosts == [
                .init(name: "h1", port: 5673), .init(name: "h-2.example", port: 5672),
                .init(name: "::1", port: 5674), .init(name: "fe80::1", port: 5672),
            ])
        #expect(full.virtualHost == "v/host")
        #expect(!full.isEncrypted)

        let bare = try BrokerConfiguration(url: "amqps://broker")
        #expect(bare.hosts == [.init(name: "broker", port: 5671)])
        #expect(bare.isEncrypted)
        #expect(bare.user == "guest" && bare.password == "guest" && bare.virtualHost == "/")
        #expect(try BrokerConfiguration(url: "amqp://h/").virtualHost == "/")
        #expect(try BrokerConfiguration(url: "amqp://u:a:b@h").password == "a:b")
        #expect(try BrokerConfiguration(url: "amqp://u@h").password == "")
    }

    @Test(arguments: [
        "", "h", "http://h", "amqp:h", "amqp://", "amqp://h,", "amqp://,h", "amqp://u:p@",
        "amqp://:p@h", "amqp://u:p@q@h", "amqp://h:0", "amqp://h:65536", "amqp://h:", "amqp://h:5a",
        "amqp://h:+1", "amqp://::1", "amqp://[::1", "amqp://[::1]5", "amqp://[h]", "amqp://[]",
        "amqp://h/a/b", "amqp://h?x=1", "amqp://h#f", "amqp://h/%", "amqp://h/%2", "amqp://h/%zz",
        "amqp://h/%00", "amqp://h/%ff", "amqp://u:%00@h", "amqp://h h", "amqp://hö", "AMQP://h",
        "amqp://h%41", "amqp://u:1/2@h", "amqp://u:1/2@h/v", "amqp://h\n",
    ])
    func `what is no broker's URL is refused`(url: String) {
        #expect(code { _ = try BrokerConfiguration(url: url) } == .configuration)
    }

    @Test func `any URL that is put together is taken apart again`() throws {
        var random = SeededGenerator(announcedFor: "URLs")
        for _ in 0..<2_000 {
            let user = text(&random, 1...12)
            let password = text(&random, 0...20)
            let virtualHost = text(&random, 1...12)
            let isEncrypted = random.oneIn(2)
            var hosts: [BrokerConfiguration.Host] = []
            var list: [String] = []
            for _ in 0..<random.number(in: 1...4) {
                let name = random.pick(["h", "host-1.example", "10.0.0.1", "::1", "2001:db8::a"])
                let shown = name.contains(":") ? "[\(name)]" : name
                let port = random.oneIn(3) ? nil : UInt16(random.number(in: 1...65_535))
                list.append(shown + (port.map { ":\($0)" } ?? ""))
                hosts.append(.init(name: name, port: port ?? (isEncrypted ? 5_671 : 5_672)))
            }
            let url =
                "\(isEncrypted ? "amqps" : "amqp")://\(escaped(user)):\(escaped(password))@"
                + "\(list.joined(separator: ","))/\(escaped(virtualHost))"
            let read = try BrokerConfiguration(url: url)
            #expect(read.user == user && read.password == password, "\(url)")
            #expect(read.hosts == hosts && read.virtualHost == virtualHost, "\(url)")
            #expect(read.isEncrypted == isEncrypted)
        }
    }

    @Test func `no error and no description shows a secret, however the URL is broken`() {
        var random = SeededGenerator(announcedFor: "broken URLs")
        let secret = "Zq7Xk2Wv9"
        for _ in 0..<5_000 {
            var bytes = Array("amqps://user\(secret):\(secret)@h1:5671,[::1]:5672/v".utf8)
            for _ in 0..<random.number(in: 0...4) {
                // Outside of the secrets, which would otherwise no longer be found.
                let place = random.pick(
                    Array(0..<12) + [21] + Array(31..<bytes.count) + [bytes.count - 1])
                bytes[min(place, bytes.count - 1)] = random.pick(Array("@:/?#[],%a5 \u{1}".utf8))
            }
            let url = String(decoding: bytes, as: UTF8.self)
            do {
                let configuration = try BrokerConfiguration(url: url)
                // A piece of it in a host's place is a host; that is what the operator wrote.
                guard !configuration.hosts.contains(where: { $0.name.contains(secret) }) else {
                    continue
                }
                var dumped = ""
                dump(configuration, to: &dumped)
                for shown in [
                    "\(configuration)", String(reflecting: configuration), dumped,
                    "\([configuration])",
                ] {
                    #expect(!shown.contains(secret), "\(url)")
                }
            } catch {
                #expect(!"\(error)".contains(secret), "\(url): \(error)")
                #expect(!String(reflecting: error).contains(secret), "\(url)")
            }
        }
    }

    @Test func `credentials of a file win over the URL's`() throws {
        let folder = try TemporaryFolder()
        try folder.file("good", holding: "me:se:cret%40\n")
        let path = folder.path + "/good"
        let read = try BrokerConfiguration(url: "amqp://u:p@h", credentialsFile: path)
        #expect(read.user == "me")
        #expect(read.password == "se:cret%40")
        for (index, content) in ["", "\n", "nocolon", ":p", "a:b\nc", "a:\u{1}"].enumerated() {
            try folder.file("bad\(index)", holding: content)
            let bad = "\(folder.path)/bad\(index)"
            #expect(
                code { _ = try BrokerConfiguration(url: "amqp://h", credentialsFile: bad) }
                    == .configuration, "\(content)")
        }
        try folder.file("long", holding: "a:" + String(repeating: "b", count: 5_000))
        for name in ["long", "absent", ""] {
            let bad = "\(folder.path)/\(name)"
            #expect(
                code { _ = try BrokerConfiguration(url: "amqp://h", credentialsFile: bad) }
                    == .configuration)
        }
    }

    @Test func `a message of the broker becomes one line`() {
        let error = RabbitMQError(
            .closed, "a\nb\u{1B}[31m\u{2028}" + String(repeating: "x", count: 900))
        #expect(error.message.hasPrefix("a b [31m x"))
        #expect(error.message.count == 500)
    }

    /// Any text without NUL.
    private func text(_ random: inout SeededGenerator, _ count: ClosedRange<Int>) -> String {
        String(
            (0..<random.number(in: count)).map { _ in
                random.pick(Array("abcXYZ019-._~!$&'()*+,;=:@/?#[]%\"<>\\^`{|} \u{7F}éñ€😀\n"))
            })
    }

    private func escaped(_ text: String) -> String {
        text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                String(UnicodeScalar(byte))
            default:
                "%" + String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
            }
        }.joined()
    }
}
