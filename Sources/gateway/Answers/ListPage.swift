import FileModel

/// One page of a list as a page for people.
struct ListPage {
    private let page: EntryPage
    private let parameters: ListParameters
    private let cursor: String?
    private let language: Language

    /// The page as bytes.
    static func bytes(
        _ page: EntryPage, _ parameters: ListParameters, cursor: String?, language: Language
    ) -> [UInt8] {
        ListPage(page: page, parameters: parameters, cursor: cursor, language: language).write()
    }

    private var isSearch: Bool { parameters.endpoint == .search }
    private var folder: RelativePath {
        page.isOfOneEntry ? parameters.path.parent ?? .root : parameters.path
    }

    private func write() -> [UInt8] {
        var frame = PageFrame(language: language, title: title, folder: folder)
        frame.query = parameters.text ?? ""
        frame.includesHidden = parameters.includesHidden
        frame.showsTimes = page.entries.count > 0
        return frame.page { html in
            breadcrumbs(&html)
            if isSearch { summary(&html) } else { heading(&html) }
            notices(&html)
            if page.entries.count == 0 { empty(&html) } else { table(&html) }
            navigation(&html)
        }
    }

    private var title: String {
        if let text = parameters.text { return text }
        if isSearch { return Text("Resultados", "Results")[language] }
        return parameters.path.lastName.map { ShownText.string($0) }
            ?? Text("Inicio", "Home")[language]
    }

    /// A link's target that lists a path, in the view that this page has.
    private func listing(of path: [UInt8]) -> String {
        parameters.target(
            .list, changing: ["ruta": [0x2F] + path, "cursor": nil, "q": nil, "tipo": nil])
    }

    private func link(_ html: inout HTMLText, to target: String, _ label: String) {
        html.raw("<a href=\"")
        html.text(target)
        html.raw("\">")
        html.text(label)
        html.raw("</a>")
    }

    private func breadcrumbs(_ html: inout HTMLText) {
        html.raw("<nav class=\"migas\" aria-label=\"")
        html.text(Text("Dónde estás", "Where you are")[language])
        html.raw("\"><ol>\n<li>")
        link(&html, to: listing(of: []), Text("Inicio", "Home")[language])
        html.raw("</li>\n")
        var path: [UInt8] = []
        for name in parameters.path.names {
            if !path.isEmpty { path.append(UInt8(ascii: "/")) }
            path.append(contentsOf: name)
            let isLast = path.count == parameters.path.bytes.count
            html.raw(isLast && !isSearch ? "<li aria-current=\"page\"><bdi>" : "<li><bdi>")
            if isLast && !isSearch {
                html.text(name)
            } else {
                html.raw("<a href=\"")
                html.text(listing(of: path))
                html.raw("\">")
                html.text(name)
                html.raw("</a>")
            }
            html.raw("</bdi></li>\n")
        }
        html.raw("</ol></nav>\n")
    }

    /// The breadcrumbs say it to the eye already.
    private func heading(_ html: inout HTMLText) {
        html.raw("<h1 class=\"oido\">")
        html.text(title)
        html.raw("</h1>\n")
    }

    /// What was searched.
    private func summary(_ html: inout HTMLText) {
        html.raw("<h1>")
        if let text = parameters.text {
            html.text(Text("Resultados de «\(text)»", "Results for “\(text)”")[language])
        } else {
            html.text(Text("Resultados", "Results")[language])
        }
        html.raw("</h1>\n")
    }

    private func notices(_ html: inout HTMLText) {
        if page.isComplete { return }
        html.raw("<div class=\"aviso\" role=\"status\"><p>")
        html.text(
            Text("Esta respuesta no está completa.", "This answer is not complete.")[language])
        html.raw("</p><ul>\n")
        for notice in page.notices {
            html.raw("<li>")
            if let path = notice.path {
                html.raw("<bdi>/")
                html.text(path)
                html.raw("</bdi>: ")
            }
            html.text(notice.code.detail[language])
            html.raw("</li>\n")
        }
        html.raw("</ul></div>\n")
    }

    private func empty(_ html: inout HTMLText) {
        html.raw("<p class=\"vacio\">")
        let text =
            isSearch
            ? Text("Ningún nombre coincide.", "No name matches.")
            : Text("Aquí no hay nada.", "There is nothing here.")
        html.text(text[language])
        html.raw("</p>\n")
    }

    private func table(_ html: inout HTMLText) {
        html.raw("<table>\n<thead><tr>")
        nameHeading(&html)
        for heading in [Text("Tamaño", "Size"), Text("Modificado", "Modified")] {
            html.raw("<th scope=\"col\">")
            html.text(heading[language])
            html.raw("</th>")
        }
        html.raw("</tr></thead>\n<tbody>\n")
        page.entries.forEach { row($0, &html) }
        html.raw("</tbody>\n</table>\n")
    }

    /// The heading of the names turns the order round.
    private func nameHeading(_ html: inout HTMLText) {
        let reversed =
            (parameters.descending ? "" : "-")
            + (parameters.criterion == .natural ? "natural" : "nombre")
        let target = parameters.target(changing: ["orden": Array(reversed.utf8), "cursor": nil])
        html.raw("<th scope=\"col\" aria-sort=\"")
        html.raw(parameters.descending ? "descending" : "ascending")
        html.raw("\">")
        link(&html, to: target, Text("Nombre", "Name")[language])
        html.raw("</th>")
    }

    private func row(_ entry: EntryBatch.View, _ html: inout HTMLText) {
        let path =
            page.isOfOneEntry
            ? parameters.path.bytes
            : parameters.path.appending(folder: entry.folder, name: entry.name)
        let bounds = entry.matchBounds.map { $0.map { Int($0) } } ?? []
        switch entry.kind {
        case .directory, .link:
            html.raw(entry.kind == .link ? "<tr class=\"enlace\">" : "<tr class=\"directorio\">")
            html.raw("<td><bdi><a href=\"")
            html.text(listing(of: path))
            html.raw("\">")
            html.text(entry.name, marking: bounds)
            html.raw(entry.kind == .directory ? "</a>/</bdi>" : "</a></bdi>")
        case .file, .other:
            html.raw(entry.kind == .file ? "<tr>" : "<tr class=\"otro\">")
            html.raw("<td><bdi>")
            html.text(entry.name, marking: bounds)
            html.raw("</bdi>")
        }
        if let target = entry.target {
            html.raw(" <span class=\"destino\">→ <bdi>")
            html.text(target)
            html.raw("</bdi></span>")
        }
        if isSearch { place(of: entry, &html) }
        html.raw("</td><td>")
        if let size = entry.size { self.size(size, &html) }
        html.raw("</td><td>")
        if let modified = entry.modified { time(modified, &html) }
        html.raw("</td></tr>\n")
    }

    /// Where a hit is.
    private func place(of entry: EntryBatch.View, _ html: inout HTMLText) {
        let path = parameters.path.appending(folder: entry.folder, name: [UInt8]())
        html.raw("<div class=\"lugar\"><bdi><a href=\"")
        html.text(listing(of: path))
        html.raw("\">/")
        html.text(path)
        html.raw("</a></bdi></div>")
    }

    private func size(_ size: Int64, _ html: inout HTMLText) {
        let unit = size == 1 ? "byte" : "bytes"
        html.raw("<span title=\"\(PeopleText.number(Int(size), language)) \(unit)\">")
        html.text(PeopleText.size(size, language))
        html.raw("</span>")
    }

    private func time(_ modified: Timestamp, _ html: inout HTMLText) {
        guard let civil = modified.civil else { return }
        var machine: [UInt8] = []
        guard modified.appendRFC3339(to: &machine) else { return }
        html.raw("<time datetime=\"\(String(decoding: machine, as: UTF8.self))\">")
        html.text(PeopleText.time(civil, language))
        html.raw("</time>")
    }

    private func navigation(_ html: inout HTMLText) {
        html.raw("<nav class=\"paginas\" aria-label=\"")
        html.text(Text("Páginas", "Pages")[language])
        html.raw("\">\n")
        if parameters.total != .none { total(&html) }
        if parameters.cursor != nil {
            link(
                &html, to: parameters.target(changing: ["cursor": nil]),
                Text("Primera página", "First page")[language])
            html.raw("\n")
        }
        if let cursor {
            html.raw("<a rel=\"next\" href=\"")
            html.text(parameters.target(changing: ["cursor": Array(cursor.utf8)]))
            html.raw("\">")
            html.text(Text("Página siguiente", "Next page")[language])
            html.raw("</a>\n")
        }
        let json = parameters.target(changing: ["formato": Array("json".utf8)])
        link(&html, to: json, "JSON")
        html.raw("\n</nav>\n")
    }

    private func total(_ html: inout HTMLText) {
        let value = PeopleText.number(page.total.value, language)
        let bound = page.total.isExact ? Text("", "") : Text("al menos ", "at least ")
        let noun: Text =
            switch (isSearch, page.total.value == 1) {
            case (true, true): Text("resultado", "result")
            case (true, false): Text("resultados", "results")
            case (false, true): Text("entrada", "entry")
            case (false, false): Text("entradas", "entries")
            }
        html.raw("<span>")
        html.text("\(bound[language])\(value) \(noun[language])")
        html.raw("</span>\n")
    }
}
