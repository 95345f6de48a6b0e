import Foundation
import TestSupport

/// Names made of the characters that orders and matches go wrong on.
enum NastyNames {
    static let scalars: [Unicode.Scalar] = Array(
        ("aAbBnNñÑoOzZ019٣²-_.! ~éÉeEüßẞİıſςσΣŉﬁǅΐᾳᾼµKÅåжЖ각ª漢€😀\u{301}\u{303}\u{308}\u{323}\u{345}"
            + "\u{30A}\u{20DD}\u{903}").unicodeScalars)

    /// UTF-8, 1…24 bytes or so, of few different characters, so that much is equal.
    static func text(_ random: inout SeededGenerator) -> String.UnicodeScalarView {
        let few = (0..<random.number(in: 1...5)).map { _ in random.pick(scalars) }
        let common: [Unicode.Scalar] = ["0", "0", "1", "a", "A", "n"]
        var text = String.UnicodeScalarView()
        for _ in 0..<random.number(in: 1...7) {
            text.append(random.oneIn(3) ? random.pick(common) : random.pick(few))
        }
        return text
    }

    /// As ``text(_:)``, and one in eight is not UTF-8: a byte between two characters makes no third one.
    static func name(_ random: inout SeededGenerator) -> [UInt8] {
        let text = Array(text(&random))
        let badPlace = random.oneIn(8) ? random.number(in: 0...text.count) : nil
        var name: [UInt8] = []
        for place in 0...text.count {
            if place == badPlace { name.append(random.pick([0xC0, 0xE2, 0xF0, 0xFF])) }
            if place < text.count { name += Array(String(text[place]).utf8) }
        }
        return name
    }

    /// The same text with other normalisation and case.
    static func varied(_ text: String, _ random: inout SeededGenerator) -> String {
        var text = text
        switch random.number(in: 0...3) {
        case 0: text = text.decomposedStringWithCanonicalMapping
        case 1: text = text.precomposedStringWithCanonicalMapping
        default: break
        }
        return random.oneIn(3) ? text.uppercased() : text
    }
}
