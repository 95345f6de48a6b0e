import FileModel

/// Writes a list line by line, in pieces, and its end: without that line, a reader knows that it was cut off.
struct ListLines {
    private let parameters: ListParameters
    private let form: Representation
    private let language: Language
    private var entryJSON: EntryJSON?
    /// Entries written so far.
    private(set) var count = 0

    /// - Parameter form: ``Representation/ndjson`` or ``Representation/text``.
    init(_ parameters: ListParameters, as form: Representation, language: Language) {
        self.parameters = parameters
        self.form = form
        self.language = language
    }

    /// One page with its end.
    static func page(
        _ page: EntryPage, _ parameters: ListParameters, as form: Representation, cursor: String?,
        language: Language
    ) -> [UInt8] {
        var lines = ListLines(parameters, as: form, language: language)
        return lines.piece(page.entries, isOfOneEntry: page.isOfOneEntry)
            + lines.end(isComplete: page.isComplete, page.notices, cursor: cursor)
    }

    /// The lines of some entries.
    ///
    /// - Parameter isOfOneEntry: the path asked for is no folder; it is the one entry.
    mutating func piece(_ entries: EntryBatch, isOfOneEntry: Bool) -> [UInt8] {
        count += entries.count
        if form == .text { return paths(entries, isOfOneEntry) }
        let writer = entryJSON ?? EntryJSON(parameters, isOfOneEntry: isOfOneEntry)
        entryJSON = writer
        var json = JSONText()
        json.reserve(entries.byteCount * 2 + entries.count * 128)
        entries.forEach { entry in
            writer.append(entry, to: &json)
            json.raw("\n")
        }
        return json.takeBytes()
    }

    /// The last line.
    func end(isComplete: Bool, _ notices: [Notice], cursor: String? = nil) -> [UInt8] {
        if form == .text {
            let state = isComplete ? "" : " incompleto"
            return Array("# fin \(count)\(state)\(cursor.map { " cursor=\($0)" } ?? "")\n".utf8)
        }
        var json = JSONText()
        json.raw("{\"fin\":true,\"total\":")
        json.number(count)
        json.raw(isComplete ? ",\"completo\":true" : ",\"completo\":false,\"avisos\":")
        if !isComplete { EntryJSON.append(notices, in: language, to: &json) }
        if let cursor {
            json.raw(",\"cursor\":")
            json.string(cursor)
        }
        json.raw("}\n")
        return json.takeBytes()
    }

    /// A path a line, its bytes as they are but for those that would end the line.
    private func paths(_ entries: EntryBatch, _ isOfOneEntry: Bool) -> [UInt8] {
        let base = isOfOneEntry ? parameters.path.parent?.bytes ?? [] : parameters.path.bytes
        var prefix: [UInt8] = [UInt8(ascii: "/")]
        base.withUnsafeBufferPointer { Self.append($0, to: &prefix) }
        if !base.isEmpty { prefix.append(UInt8(ascii: "/")) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(entries.byteCount + entries.count * (prefix.count + 2))
        entries.forEach { entry in
            bytes.append(contentsOf: prefix)
            if !entry.folder.isEmpty {
                Self.append(entry.folder, to: &bytes)
                bytes.append(UInt8(ascii: "/"))
            }
            Self.append(entry.name, to: &bytes)
            bytes.append(UInt8(ascii: "\n"))
        }
        return bytes
    }

    private static func append(_ name: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
        for byte in name {
            let escaped: UInt8? =
                switch byte {
                case UInt8(ascii: "\\"): byte
                case UInt8(ascii: "\n"): UInt8(ascii: "n")
                case UInt8(ascii: "\r"): UInt8(ascii: "r")
                default: nil
                }
            if let escaped {
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(escaped)
            } else {
                bytes.append(byte)
            }
        }
    }
}
