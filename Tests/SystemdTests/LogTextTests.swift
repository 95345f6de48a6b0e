import Systemd
import TestSupport
import Testing

@Suite struct LogTextTests {
    @Test(arguments: [
        ("", ""), ("plain text ~", "plain text ~"), ("año €😀", "año €😀"),
        ("a\nb", "a\\x0ab"), ("\r\u{0}\t\u{1B}[31m", "\\x0d\\x00\\x09\\x1b[31m"),
        ("\u{7F}", "\\x7f"),
        ("\u{85}", "\\x85"), ("\\n", "\\\\n"), ("a\u{2028}b\u{2029}", "a\\u{2028}b\\u{2029}"),
        ("\u{202E}txt.exe", "\\u{202e}txt.exe"), ("\u{200B}\u{FEFF}", "\\u{200b}\\u{feff}"),
        ("\u{E0001}", "\\u{e0001}"), ("e\u{301}", "e\u{301}"),
    ])
    func `what could forge a line is escaped`(text: String, escaped: String) {
        #expect(LogText.escaped(text).unicodeScalars.elementsEqual(escaped.unicodeScalars))
    }

    @Test func `no text leaves a control byte, and no two texts look the same`() throws {
        var random = SeededGenerator(announcedFor: "no text leaves a control byte")
        let pieces = [
            "\n", "\\", "x0a", "\\x0a", "\\\\", "u{200b}", "\u{200B}", "a", "\r", "\u{9B}",
        ]
        var texts: [String: String] = [:]
        for _ in 0..<20_000 {
            let text = (0..<random.number(in: 0...4)).map { _ in random.pick(pieces) }.joined()
            let escaped = LogText.escaped(text)
            try #require(escaped.utf8.allSatisfy { (0x20...0x7E).contains($0) })
            let other = texts.updateValue(text, forKey: escaped)
            // Scalars: Swift takes "\r\n" for one character, but equal texts are equal scalars here.
            try #require(other == nil || other == text, "\(text.debugDescription)")
        }
    }
}
