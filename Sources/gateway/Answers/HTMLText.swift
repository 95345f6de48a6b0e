import FileModel

/// Writes HTML into bytes. What comes from the tree or a client goes through `text` alone.
struct HTMLText {
    private(set) var bytes: [UInt8] = []

    /// Appends markup.
    mutating func raw(_ markup: String) {
        bytes.append(contentsOf: markup.utf8)
    }

    /// Appends text, escaped; fit for an attribute's value in double quotes, too.
    mutating func text(_ text: String) {
        for scalar in text.unicodeScalars { append(scalar) }
    }

    /// Appends bytes as they are shown, escaped.
    mutating func text(_ text: some Collection<UInt8>) {
        self.text(ShownText.string(text))
    }

    /// Appends a name as it is shown, with marked ranges: start and end, in turn, in Unicode scalars.
    mutating func text(_ text: some Collection<UInt8>, marking bounds: [Int]) {
        var next = bounds.makeIterator()
        var bound = next.next()
        var isOpen = false
        for (index, scalar) in ShownText.string(text).unicodeScalars.enumerated() {
            while bound == index {
                raw(isOpen ? "</mark>" : "<mark>")
                isOpen.toggle()
                bound = next.next()
            }
            append(scalar)
        }
        if isOpen { raw("</mark>") }
    }

    private mutating func append(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "&": raw("&amp;")
        case "<": raw("&lt;")
        case ">": raw("&gt;")
        case "\"": raw("&quot;")
        case "'": raw("&#39;")
        // Control characters as their pictures: HTML has none of them, and a reader sees that there is something.
        case "\u{0}"..."\u{1F}":
            raw(String(Unicode.Scalar(scalar.value + 0x2400) ?? "\u{FFFD}"))
        case "\u{7F}": raw("\u{2421}")
        case "\u{80}"..."\u{9F}": raw("\u{FFFD}")
        // What turns the reading direction round would make `\u{202E}fdp.exe` look like `exe.pdf`.
        case "\u{200E}", "\u{200F}", "\u{061C}", "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}":
            raw("\u{FFFD}")
        default: raw(String(scalar))
        }
    }
}
