import FastCGI

/// The headers that every answer has, each once.
enum CommonHeaders {
    /// No script, no frame, nothing from elsewhere; the stylesheet and the icon are nginx's.
    static let contentSecurityPolicy =
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        + "base-uri 'none'; frame-ancestors 'none'"

    /// The answer as a response: 304 where the client has it already (RFC 9110, 13.1.2).
    static func response(_ answer: Answer, to request: Request, id: String) -> Response {
        var status = answer.status
        var body = answer.body
        var headers = answer.headers
        var length = answer.isStreamed ? nil : answer.body.count
        // nginx passes on what comes and waits with its client; it does not show the header.
        if answer.isStreamed { headers.append(("X-Accel-Buffering", "no")) }
        if answer.isTagged, status == 200 {
            let tag = answer.tagged
            headers.append(("ETag", tag))
            if let known = request.header("If-None-Match"), matches(known, tag) {
                status = 304
                body = []
                length = nil
            }
        }
        // Neither has a body to speak of (RFC 9110, 8.6).
        if status != 304, status != 204 {
            headers.append(("Content-Type", answer.contentType))
            if let length { headers.append(("Content-Length", String(length))) }
        }
        if let language = answer.language {
            headers.append(("Content-Language", language.rawValue))
        }
        headers.append(
            (
                "Vary",
                answer.isNegotiated
                    ? "Accept, Accept-Encoding, Accept-Language" : "Accept-Encoding"
            ))
        headers.append(("X-Request-Id", id))
        headers.append(("Cache-Control", "private, no-cache"))
        headers.append(("X-Content-Type-Options", "nosniff"))
        headers.append(("Content-Security-Policy", contentSecurityPolicy))
        return Response(status: status, headers: headers, body: body)
    }

    /// Whether `If-None-Match` names the tag, by weak comparison (RFC 9110, 8.8.3.2).
    static func matches(_ header: String, _ tag: String) -> Bool {
        func opaque(_ tag: some StringProtocol) -> String {
            tag.hasPrefix("W/") ? String(tag.dropFirst(2)) : String(tag)
        }
        let items = header.split { $0 == "," || $0 == " " || $0 == "\t" }
        return items.contains { $0 == "*" || opaque($0) == opaque(tag) }
    }
}
