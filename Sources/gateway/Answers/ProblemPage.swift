/// A problem as a page for people.
enum ProblemPage {
    static func bytes(_ problem: Problem, identity: RequestIdentity, language: Language) -> [UInt8]
    {
        let title = problem.code.title[language]
        return PageFrame(language: language, title: title).page { html in
            html.raw("<section class=\"problema\">\n")
            html.raw("<p class=\"estado\">\(problem.code.status)</p>\n<h1>")
            html.text(title)
            html.raw("</h1>\n<p>")
            html.text(problem.detail[language])
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
