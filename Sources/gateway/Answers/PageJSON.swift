import FileModel

/// One page of a list as JSON.
struct PageJSON {
    private let page: EntryPage
    private let parameters: ListParameters
    private let cursor: String?
    private let language: Language
    private var json = JSONText()

    /// The page as bytes.
    static func bytes(
        _ page: EntryPage, _ parameters: ListParameters, cursor: String?, language: Language
    ) -> [UInt8] {
        var writer = PageJSON(
            page: page, parameters: parameters, cursor: cursor, language: language)
        writer.write()
        return writer.json.bytes
    }

    private init(
        page: EntryPage, parameters: ListParameters, cursor: String?, language: Language
    ) {
        self.page = page
        self.parameters = parameters
        self.cursor = cursor
        self.language = language
    }

    private mutating func write() {
        json.reserve(512 + page.entries.names.count * 2 + page.entries.count * 128)
        json.raw("{")
        path("ruta", parameters.path.bytes)
        json.raw(",\"entradas\":[")
        entries()
        json.raw("]")
        if parameters.total != .none {
            json.raw(",\"total\":{\"valor\":")
            json.number(page.total.value)
            json.raw(page.total.isExact ? ",\"exacto\":true}" : ",\"exacto\":false}")
        }
        if let cursor {
            json.raw(",\"cursor\":")
            json.string(cursor)
        }
        // A walk reads the tree itself: it is always up to date.
        if parameters.endpoint == .search { json.raw(",\"indice\":{\"al_dia\":true}") }
        json.raw(page.isComplete ? ",\"completo\":true" : ",\"completo\":false")
        json.raw(",\"avisos\":[")
        for (index, notice) in page.notices.enumerated() {
            if index > 0 { json.raw(",") }
            write(notice)
        }
        json.raw("]}\n")
    }

    /// A path as `"ruta":"/…"`, and `"ruta_codificada"` behind it where it is not UTF-8.
    private mutating func path(_ field: StaticString, _ path: [UInt8]) {
        json.raw("\"")
        json.raw(field)
        json.raw("\":\"/")
        let wellFormed = path.withUnsafeBufferPointer { json.escaped($0) }
        json.raw("\"")
        if !wellFormed { encoded(field, path) }
    }

    private mutating func encoded(_ field: StaticString, _ path: [UInt8]) {
        json.raw(",\"")
        json.raw(field)
        json.raw("_codificada\":\"/")
        json.raw(PercentCoding.encoded(path).utf8)
        json.raw("\"")
    }

    private mutating func entries() {
        // What stands before each entry's name in its path; a listing of a file is about that path itself.
        var base = parameters.path.bytes
        if page.isOfOneEntry { base = parameters.path.parent?.bytes ?? [] }
        var prefix = JSONText()
        prefix.raw("/")
        let baseIsUTF8 = base.withUnsafeBufferPointer { prefix.escaped($0) }
        if !base.isEmpty { prefix.raw("/") }
        let prefixBytes = prefix.bytes
        var isFirst = true
        page.entries.forEach { entry in
            if !isFirst { json.raw(",") }
            isFirst = false
            json.raw("{\"nombre\":\"")
            let nameIsUTF8 = json.escaped(entry.name)
            json.raw("\",\"ruta\":\"")
            json.raw(prefixBytes)
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
                encoded("ruta", path)
            }
            details(of: entry)
        }
    }

    private mutating func details(of entry: EntryBatch.View) {
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

    private mutating func write(_ notice: Notice) {
        json.raw("{\"codigo\":")
        json.string(notice.code.slug)
        json.raw(",\"detalle\":")
        json.string(notice.code.detail[language])
        if let path = notice.path {
            json.raw(",")
            self.path("ruta", path)
        }
        json.raw("}")
    }
}

extension Notice.Code {
    /// `codigo`.
    var slug: String {
        switch self {
        case .noPermission: "sin_permiso"
        case .outOfTime: "tiempo_agotado"
        case .pathTooLong: "ruta_demasiado_larga"
        case .readError: "error_de_lectura"
        case .treeTooLarge: "arbol_demasiado_grande"
        }
    }

    /// `detalle`.
    var detail: Text {
        switch self {
        case .noPermission:
            Text("El servidor no puede leerlo.", "The server may not read it.")
        case .outOfTime:
            Text(
                "El tiempo de búsqueda se acabó antes que el árbol.",
                "The time for the search ended before the tree.")
        case .pathTooLong:
            Text(
                "La ruta es demasiado larga para pedirla; lo que hay dentro no se ha mirado.",
                "The path is too long to be asked for; what is inside was not looked at.")
        case .readError:
            Text("No se ha podido leer.", "It could not be read.")
        case .treeTooLarge:
            Text(
                "Hay demasiados directorios de una vez; este no se ha mirado.",
                "There are too many folders at once; this one was not looked at.")
        }
    }
}
