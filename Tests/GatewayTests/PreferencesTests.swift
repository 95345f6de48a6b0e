import Testing
import TestSupport

@testable import gateway

@Suite struct PreferencesTests {
    @Test(
        arguments: [
            (nil, false, nil), ("", false, nil), ("wait=5", false, 5), ("Wait = 5", false, 5),
            ("wait=\"5\"", false, 5), ("wait=31", false, 30), ("wait=0", false, 0),
            ("wait=99999999999999999999", false, 30), ("wait=-1", false, nil),
            ("wait=1.5", false, nil), ("wait=", false, nil), ("wait", false, nil),
            ("wait=\"", false, nil), ("wait=x, wait=5", false, nil), ("wait=1, wait=5", false, 1),
            ("respond-async", true, nil), ("RESPOND-ASYNC, wait=10", true, 10),
            ("respond-async; foo=bar, wait=3; x", true, 3), ("respond-async=no", false, nil),
            ("x=\"a, respond-async\", wait=2", false, 2), ("x=\"\\\", wait=2\", wait=4", false, 4),
            (",,wait=7,,", false, 7), ("return=minimal", false, nil),
        ] as [(String?, Bool, Int?)])
    func `what is preferred is read, what can't be read is ignored`(
        header: String?, isAsync: Bool, wait: Int?
    ) {
        let preferences = Preferences(prefer: header)
        #expect(preferences.respondsAsync == isAsync)
        #expect(preferences.wait == wait)
    }

    @Test func `no header breaks the reader`() {
        var random = SeededGenerator()
        let pieces = ["wait", "=", "\"", "\\", ",", ";", " ", "5", "respond-async", "é", "\u{0}"]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...12, using: &random)
            let header = (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }
                .joined()
            let wait = Preferences(prefer: header).wait ?? 0
            #expect((0...Preferences.waitMax).contains(wait), "\(header)")
        }
    }
}
