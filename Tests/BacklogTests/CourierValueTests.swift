import RabbitMQ
import TestSupport
import Testing

@testable import Backlog

/// What the courier decides without a broker.
@Suite struct CourierValueTests {
    @Test func `any news are opened as they were sealed`() throws {
        var random = SeededGenerator(announcedFor: "news")
        let seal = NewsSeal(tree: "t") { standInForMAC($0, key: "k") }
        for _ in 0..<1_000 {
            let news = anyNews(&random)
            let body = try #require(seal.sealed(news))
            #expect(seal.opened(body) == news)
        }
        var expired = anyNews(&random)
        expired.state = .expired
        #expect(seal.sealed(expired) == nil)
    }

    @Test func `news with numbers or a request that nobody of ours makes are refused`() throws {
        let seal = NewsSeal(tree: "t") { standInForMAC($0, key: "k") }
        let strange: [(inout TicketNews) -> Void] = [
            { $0.revision = .max }, { $0.expires = .max }, { $0.created = 1 << 60 },
            { $0.round = 1 << 31 }, { $0.failures = 1 << 31 },
            { $0.request = Array(repeating: 0, count: 200_000) },
        ]
        for change in strange {
            var news = TicketNews.sample()
            #expect(seal.opened(try #require(seal.sealed(news))) == news)
            change(&news)
            #expect(seal.opened(try #require(seal.sealed(news))) == nil)
        }
    }

    @Test func `news with any byte changed, cut or of another tree or key are refused`() throws {
        var random = SeededGenerator(announcedFor: "forged news")
        let seal = NewsSeal(tree: "t") { standInForMAC($0, key: "k") }
        for _ in 0..<300 {
            let body = try #require(seal.sealed(anyNews(&random)))
            var changed = body
            let place = random.number(in: 0...(body.count - 1))
            changed[place] ^= UInt8(random.number(in: 1...255))
            // A changed unknown field would do no harm; a changed content must.
            if let opened = seal.opened(changed) { #expect(opened == seal.opened(body)) }
            #expect(seal.opened(Array(body.prefix(place))) == nil)
            #expect(NewsSeal(tree: "u") { standInForMAC($0, key: "k") }.opened(body) == nil)
            #expect(NewsSeal(tree: "t") { standInForMAC($0, key: "l") }.opened(body) == nil)
            #expect(seal.opened(random.bytes(0...200)) == nil)
        }
        let empty = NewsSeal(tree: "t") { _ in [] }
        #expect(empty.opened(try #require(empty.sealed(.sample()))) == nil)
    }

    @Test func `a queue with messages of which none comes at two looks is a deaf consumer's`() {
        var watch = DeafnessWatch()
        var found: [Bool] = []
        func look(_ consumer: String, waiting: Int, isBusy: Bool = false) {
            found.append(
                watch.isToAsk(about: consumer, isBusy: isBusy)
                    && watch.isDeaf(consumer, waiting: waiting))
        }
        look("a", waiting: 0)
        // Once may be a moment's matter.
        look("a", waiting: 1)
        look("b", waiting: 3)
        watch.came(to: "a")
        look("a", waiting: 1)
        look("b", waiting: 3)
        #expect(found == [false, false, false, false, true])
        found = []
        look("a", waiting: 5)
        // What is in hand may be all that it may have.
        look("a", waiting: 5, isBusy: true)
        look("a", waiting: 5)
        look("a", waiting: 5)
        #expect(found == [false, false, false, true])
    }

    @Test func `all hosts are tried at once, then with growing pauses`() throws {
        let configuration = try BrokerConfiguration(url: "amqp://a,b,c")
        var rotation = HostRotation(configuration.hosts, first: 4)
        var seen: [String] = []
        var pauses: [Int64] = []
        for _ in 0..<12 {
            seen.append(try #require(rotation.host).name)
            pauses.append(rotation.failed(jitter: 1))
        }
        #expect(seen.prefix(7) == ["b", "c", "a", "b", "c", "a", "b"])
        let milliseconds = pauses.map { $0 / 1_000_000 }
        #expect(
            milliseconds == [0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000])
        rotation.served()
        #expect(rotation.failed(jitter: 0) == 0)
        var alone = HostRotation([.init(name: "h", port: 1)], first: 0)
        #expect(alone.failed(jitter: 0) == 50_000_000)
        for _ in 0..<1_000 { #expect(alone.failed(jitter: 7) <= HostRotation.pauseMax) }
    }

    @Test func `strangers are counted, and told at most once a pause`() {
        var count = StrangerCount(pause: .seconds(60))
        #expect(count.met(now: 0) == 1)
        #expect(count.met(now: 1) == nil)
        #expect(count.met(now: 59_999_999_999) == nil)
        #expect(count.met(now: 60_000_000_000) == 3)
    }

    private func anyNews(_ random: inout SeededGenerator) -> TicketNews {
        let state = random.pick([TicketState.waiting, .answered, .failed, .deleted])
        return TicketNews(
            id: TicketID(), owner: GatewayID(), service: random.pick(["mserv1", "mserv2", "ñ"]),
            state: state, round: random.number(in: 0...5),
            created: Int64(random.number(in: 0...(1 << 53))),
            expires: Int64(random.number(in: 0...(1 << 53))),
            changed: random.oneIn(2) ? nil : Int64(random.number(in: 0...(1 << 53))),
            failures: random.number(in: 0...9), revision: Int64(random.number(in: 0...(1 << 53))),
            request: random.bytes(0...300),
            answer: state == .answered || state == .failed ? random.bytes(0...3_000) : nil)
    }
}
