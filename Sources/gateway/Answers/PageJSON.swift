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
        return writer.json.takeBytes()
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
        EntryJSON.append(path: parameters.path.bytes, to: &json)
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
        json.raw(",\"avisos\":")
        EntryJSON.append(page.notices, in: language, to: &json)
        json.raw("}\n")
    }

    private mutating func entries() {
        let writer = EntryJSON(parameters, isOfOneEntry: page.isOfOneEntry)
        var isFirst = true
        page.entries.forEach { entry in
            if !isFirst { json.raw(",") }
            isFirst = false
            writer.append(entry, to: &json)
        }
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
