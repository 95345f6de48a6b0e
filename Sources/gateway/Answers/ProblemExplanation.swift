/// `/problemas/CODIGO`: what a problem means and what to do.
enum ProblemExplanation {
    static func json(_ code: ProblemCode, _ language: Language) -> [UInt8] {
        var json = JSONText()
        json.raw("{\"type\":")
        json.string("/problemas/\(code.rawValue)")
        json.raw(",\"codigo\":")
        json.string(code.rawValue)
        json.raw(",\"status\":")
        json.number(code.status)
        json.raw(",\"title\":")
        json.string(code.title[language])
        json.raw(",\"significado\":")
        json.string(code.meaning[language])
        json.raw(",\"que_hacer\":")
        json.string(code.remedy[language])
        json.raw("}\n")
        return json.takeBytes()
    }

    static func page(_ code: ProblemCode, _ language: Language) -> [UInt8] {
        let title = code.title[language]
        return PageFrame(language: language, title: title).page { html in
            html.raw("<section class=\"problema\">\n<p class=\"estado\">\(code.status)</p>\n<h1>")
            html.text(title)
            html.raw("</h1>\n<h2>")
            html.text(Text("Qué significa", "What it means")[language])
            html.raw("</h2>\n<p>")
            html.text(code.meaning[language])
            html.raw("</p>\n<h2>")
            html.text(Text("Qué hacer", "What to do")[language])
            html.raw("</h2>\n<p>")
            html.text(code.remedy[language])
            html.raw("</p>\n<p class=\"menor\"><code>\(code.rawValue)</code></p>\n</section>\n")
        }
    }
}
