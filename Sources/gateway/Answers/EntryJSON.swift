import FileModel

/// Writes the entries of one list as JSON objects.
struct EntryJSON {
    /// What stands before each entry's name in its path.
    private let base: [UInt8]
    private let prefix: [UInt8]
    private let baseIsUTF8: Bool

    /// - Parameter isOfOneEntry: the path asked for is no folder; the list is about that path itself.
    init(_ parameters: ListParameters, isOfOneEntry: Bool) {
        base = isOfOneEntry ? parameters.path.parent?.bytes ?? [] : parameters.path.bytes
        var prefix = JSONText()
        prefix.raw("/")
        baseIsUTF8 = base.withUnsafeBufferPointer { prefix.escaped($0) }
        if !base.isEmpty { prefix.raw("/") }
        self.prefix = prefix.takeBytes()
    }

    /// Appends an entry.
    func append(_ entry: EntryBatch.View, to json: inout JSONText) {
        json.raw("{\"nombre\":\"")
        let nameIsUTF8 = json.escaped(entry.name)
        json.raw("\",\"ruta\":\"")
        json.raw(prefix)
        var folderIsUTF8 = true
        if !entry.folder.isEmpty {
            folderIsUTF8 = json.escaped(entry.folder)
            json.raw("/")
        }
        _ = json.escaped(entry.name)
        json.raw("\"")
        if !(nameIsUTF8 && folderIsUTF8 && baseIsUTF8) {
            var path = base
            for part in [entry.folder, entry.name] where !part.isEmpty {
                if !path.isEmpty { path.append(UInt8(ascii: "/")) }
                path.append(contentsOf: part)
            }
            Self.append(encoded: path, to: &json)
        }
        Self.append(detailsOf: entry, to: &json)
    }

    private static func append(detailsOf entry: EntryBatch.View, to json: inout JSONText) {
        switch entry.kind {
        case .file: json.raw(",\"tipo\":\"archivo\"")
        case .directory: json.raw(",\"tipo\":\"directorio\"")
        case .link: json.raw(",\"tipo\":\"enlace\"")
        case .other: json.raw(",\"tipo\":\"otro\"")
        }
        if entry.kind == .file, let size = entry.size {
            json.raw(",\"tamano\":")
            json.number(Int(size))
        }
        if let modified = entry.modified { json.time(modified, after: ",\"modificado\":") }
        if let target = entry.target {
            json.raw(",\"destino\":\"")
            let wellFormed = json.escaped(target)
            json.raw("\"")
            if !wellFormed {
                json.raw(",\"destino_codificada\":\"")
                json.raw(PercentCoding.encoded(target).utf8)
                json.raw("\"")
            }
        }
        if let bounds = entry.matchBounds {
            json.raw(",\"coincidencias\":[")
            for index in stride(from: 0, to: bounds.count, by: 2) {
                json.raw(index == 0 ? "[" : ",[")
                json.number(Int(bounds[index]))
                json.raw(",")
                json.number(Int(bounds[index + 1]))
                json.raw("]")
            }
            json.raw("]")
        }
        json.raw("}")
    }

    /// Appends a path as `"ruta":"/…"`, and `"ruta_codificada"` behind it where it is not UTF-8.
    static func append(path: [UInt8], to json: inout JSONText) {
        json.raw("\"ruta\":\"/")
        let wellFormed = path.withUnsafeBufferPointer { json.escaped($0) }
        json.raw("\"")
        if !wellFormed { append(encoded: path, to: &json) }
    }

    private static func append(encoded path: [UInt8], to json: inout JSONText) {
        json.raw(",\"ruta_codificada\":\"/")
        json.raw(PercentCoding.encoded(path).utf8)
        json.raw("\"")
    }

    /// Appends notices as an array.
    static func append(_ notices: [Notice], in language: Language, to json: inout JSONText) {
        json.raw("[")
        for (index, notice) in notices.enumerated() {
            json.raw(index > 0 ? ",{\"codigo\":" : "{\"codigo\":")
            json.string(notice.code.slug)
            json.raw(",\"detalle\":")
            json.string(notice.code.detail[language])
            if let path = notice.path {
                json.raw(",")
                append(path: path, to: &json)
            }
            json.raw("}")
        }
        json.raw("]")
    }
}
