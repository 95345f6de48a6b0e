import FileModel
import TestSupport
import Testing

@Suite struct ShownTextTests {
    /// The examples of The Unicode Standard 15.0, tables 3-8 to 3-11, and the edges of its table 3-7.
    @Test(
        arguments: [
            (
                [0x61, 0xF1, 0x80, 0x80, 0xE1, 0x80, 0xC2, 0x62, 0x80, 0x63, 0x80, 0xBF, 0x64],
                "a~~~b~c~~d"
            ),
            ([0xC0, 0xAF, 0xE0, 0x80, 0xBF, 0xF0, 0x81, 0x82, 0x41], "~~~~~~~~A"),
            ([0xED, 0xA0, 0x80, 0xED, 0xBF, 0xBF, 0xED, 0xAF, 0x41], "~~~~~~~~A"),
            ([0xF4, 0x91, 0x92, 0x93, 0xFF, 0x41, 0x80, 0xBF, 0x42], "~~~~~A~~B"),
            ([0xE1, 0x80, 0xE2, 0xF0, 0x91, 0x92, 0xF1, 0xBF, 0x41], "~~~~A"),
            ([0xED, 0xA0, 0x80], "~~~"), ([0xF4, 0x91, 0x92, 0x93], "~~~~"),
            ([0xC1, 0xBF], "~~"), ([0xE0, 0x9F, 0xBF], "~~~"), ([0xF5, 0x80], "~~"),
            ([0xC3], "~"), ([0xF0, 0x9F, 0x98], "~"), ([0xC3, 0xA9], "é"),
            ([0xED, 0x9F, 0xBF, 0xEE, 0x80, 0x80], "\u{D7FF}\u{E000}"),
            ([0xF4, 0x8F, 0xBF, 0xBF], "\u{10FFFF}"), ([0xEF, 0xBF, 0xBD], "\u{FFFD}"), ([], ""),
        ] as [([UInt8], String)])
    func `each maximal bad part becomes one U+FFFD`(bytes: [UInt8], shown: String) {
        let expected = shown.unicodeScalars.map { $0 == "~" ? "\u{FFFD}" : $0 }
        #expect(Array(ShownText.string(bytes).unicodeScalars) == expected)
        #expect(ShownText.isUTF8(bytes) == !shown.contains("~"))
    }

    @Test func `random bytes are shown as Swift's own decoder does`() throws {
        var random = SeededGenerator(announcedFor: "random bytes are shown as Swift does")
        let edges: [UInt8] = [
            0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xE1, 0xED,
            0xEF,
            0xF0, 0xF1, 0xF4, 0xF5, 0xFF,
        ]
        for _ in 0..<20_000 {
            let bytes = (0..<random.number(in: 0...8)).map { _ in random.pick(edges) }
            let expected = String(decoding: bytes, as: UTF8.self)
            let isSame = ShownText.string(bytes).unicodeScalars.elementsEqual(
                expected.unicodeScalars)
            try #require(isSame, "\(bytes)")
            try #require(
                ShownText.isUTF8(bytes) == (String(validating: bytes, as: UTF8.self) != nil))
        }
    }
}
