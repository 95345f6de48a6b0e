import FileModel

/// What every page for people has around its content: head, name, search box, foot.
struct PageFrame {
    let language: Language
    /// The page's own title.
    let title: String
    /// The folder that the search box searches beneath.
    var folder = RelativePath.root
    /// What the search box shows.
    var query = ""
    var includesHidden = false
    /// Whether there are times on the page.
    var showsTimes = false
    /// Where the page goes on by itself, and after how many seconds.
    var refresh: (seconds: Int, target: String)?

    /// The page as bytes.
    func page(_ content: (inout HTMLText) -> Void) -> [UInt8] {
        var html = HTMLText()
        html.raw(
            """
            <!doctype html>
            <html lang="\(language.rawValue)">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">

            """)
        if let refresh {
            html.raw("<meta http-equiv=\"refresh\" content=\"\(refresh.seconds); url=")
            html.text(refresh.target)
            html.raw("\">\n")
        }
        html.raw("<title>")
        html.text(title)
        html.raw(
            """
             · Pasarela</title>
            <link rel="stylesheet" href="/estilo.css">
            <link rel="icon" href="/icono.svg" type="image/svg+xml">
            </head>
            <body>
            <header>
            <a class="marca" href="/">Pasarela</a>

            """)
        searchForm(&html)
        html.raw("</header>\n<main>\n")
        content(&html)
        html.raw("</main>\n<footer>")
        if showsTimes { html.text(Text("Horas en UTC. ", "Times in UTC. ")[language]) }
        html.text(Text("Para programas: ", "For programs: ")[language])
        html.raw("<a href=\"/openapi.json\">API</a></footer>\n</body>\n</html>\n")
        return html.bytes
    }

    private static func canBeSent(_ path: RelativePath) -> Bool {
        ShownText.isUTF8(path.bytes)
            && ShownText.string(path.bytes).unicodeScalars.allSatisfy {
                $0.properties.generalCategory != .control
                    && $0.properties.generalCategory != .format
            }
    }

    private func searchForm(_ html: inout HTMLText) {
        // A form can't send what is not UTF-8, nor every control character: beneath such a folder the nearest above is
        // searched; the box says where.
        var searched: RelativePath? = folder
        while let path = searched, !Self.canBeSent(path) { searched = path.parent }
        let place = searched ?? .root
        let label = Text("Buscar nombres", "Search names")[language]
        let hint =
            place.lastName.map { name in
                let name = ShownText.string(name)
                return Text("Buscar en \(name)", "Search in \(name)")[language]
            } ?? Text("Buscar en todo", "Search everything")[language]
        html.raw("<form role=\"search\" action=\"/buscar_archivos\">\n")
        html.raw(
            "<input type=\"search\" name=\"q\" required maxlength=\"1024\" autocomplete=\"off\" aria-label=\""
        )
        html.text(label)
        html.raw("\" placeholder=\"")
        html.text(hint)
        html.raw("\" value=\"")
        html.text(query)
        html.raw("\">\n")
        if !place.bytes.isEmpty {
            html.raw("<input type=\"hidden\" name=\"ruta\" value=\"/")
            html.text(place.bytes)
            html.raw("\">\n")
        }
        if includesHidden { html.raw("<input type=\"hidden\" name=\"ocultos\" value=\"true\">\n") }
        html.raw("<button>")
        html.text(Text("Buscar", "Search")[language])
        html.raw("</button>\n</form>\n")
    }
}
