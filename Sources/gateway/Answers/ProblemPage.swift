/// A problem as a page for people.
enum ProblemPage {
    static func bytes(
        _ problem: Problem, identity: RequestIdentity, language: Language, query: String
    ) -> [UInt8] {
        let title = problem.code.title[language]
        var frame = PageFrame(language: language, title: title)
        frame.query = query
        return frame.page { html in
            html.raw("<section class=\"problema\">\n")
            html.raw("<p class=\"estado\">\(problem.code.status)</p>\n<h1>")
            html.text(title)
            html.raw("</h1>\n<p>")
            html.text(problem.detail[language])
            if let column = problem.column {
                html.text(Text(" Carácter \(column).", " Character \(column).")[language])
            }
            html.raw("</p>\n<p>")
            html.text(problem.code.remedy[language])
            let code = problem.code.rawValue
            html.raw("</p>\n<p class=\"menor\"><a href=\"/problemas/\(code)\">\(code)</a> · ")
            html.text(Text("petición ", "request ")[language])
            html.raw("<code>")
            html.text(identity.id)
            html.raw("</code></p>\n</section>\n")
        }
    }
}
