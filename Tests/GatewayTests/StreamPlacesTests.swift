import Testing

@testable import gateway

@Suite struct StreamPlacesTests {
    private static func client(_ text: String) -> ClientAddress {
        ClientAddress(Array(text.utf8))
    }

    @Test func `one client gets half of the places, this machine all, and each comes back`() {
        let places = StreamPlaces(count: 4)
        for _ in 0..<3 {
            var held = (0..<3).map { _ in try? places.take(for: Self.client("192.0.2.1")) }
            #expect(held.map { $0 == nil } == [false, false, true])
            held.append(try? places.take(for: Self.client("192.0.2.2")))
            held.append(try? places.take(for: Self.client("::1")))
            #expect(held[3] != nil && held[4] != nil)
            #expect((try? places.take(for: Self.client("127.0.0.1"))) == nil)
            held = []
            let all = (0..<5).map { _ in try? places.take(for: Self.client("127.0.0.9")) }
            #expect(all.map { $0 == nil } == [false, false, false, false, true])
        }
        #expect((try? StreamPlaces(count: 1).take(for: Self.client("192.0.2.1"))) != nil)
    }

    @Test func `addresses are one client's where one client has them`() {
        #expect(Self.client("2001:db8:1:2::1") == Self.client("2001:db8:1:2:ffff::"))
        #expect(Self.client("2001:db8:1:2::1") != Self.client("2001:db8:1:3::1"))
        #expect(Self.client("::ffff:192.0.2.1") == Self.client("192.0.2.1"))
        #expect(Self.client("192.0.2.1") != Self.client("192.0.2.2"))
        #expect(
            Self.client("::ffff:127.0.0.1") == .loopback && Self.client("127.9.9.9") == .loopback)
        #expect(Self.client("unix:") == Self.client("unix:") && ClientAddress(nil) != .loopback)
    }
}
