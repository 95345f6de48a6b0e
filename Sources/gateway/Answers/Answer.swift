import COpenSSL

/// What a request is answered with, before the headers that every answer has.
struct Answer: Sendable {
    var status = 200
    var contentType: String
    var body: [UInt8]
    /// The language that the body is in, where it is in one.
    var language: Language?
    /// Whether the body depends on `Accept` and `Accept-Language`.
    var isNegotiated = true
    /// Whether the answer may be asked for again by its `ETag`.
    var isTagged = true
    /// Whether the body comes piece by piece: then its length is not known, and ``body`` is empty.
    var isStreamed = false
    /// Headers of this answer alone.
    var headers: [(name: String, value: String)] = []
    /// For the log only: what the operator should know of it.
    var cause: String?
    /// The answer's `ETag`, where it was made already.
    private(set) var entityTag: String?

    init(json body: [UInt8], language: Language? = nil) {
        contentType = "application/json"
        self.body = body
        self.language = language
    }

    /// 204: done, and nothing to say.
    static var done: Answer {
        var answer = Answer(json: [])
        answer.status = 204
        answer.isNegotiated = false
        answer.isTagged = false
        return answer
    }

    /// A list as lines.
    init(lines body: [UInt8], as form: Representation, language: Language) {
        contentType = form.mediaType
        self.body = body
        // A path a line has no language.
        self.language = form == .text ? nil : language
    }

    /// An answer that was made before and kept.
    init(kept body: [UInt8], contentType: String) {
        self.contentType = contentType
        self.body = body
    }

    init(html body: [UInt8], language: Language) {
        contentType = "text/html; charset=utf-8"
        self.body = body
        self.language = language
    }
}

extension Answer {
    /// Makes the `ETag` now: for an answer that many share.
    mutating func tag() {
        entityTag = madeTag
    }

    /// The `ETag`: weak (nginx may compress), different by what is said, in which form and language.
    var tagged: String {
        entityTag ?? madeTag
    }

    private var madeTag: String {
        var digest = [UInt8](repeating: 0, count: 32)
        let done = copenssl_sha256(body, body.count, &digest)
        precondition(done == 1, "SHA-256 is there in every libcrypto")
        let form =
            switch contentType {
            case Representation.ndjson.mediaType: "n"
            case Representation.text.mediaType: "t"
            case _ where contentType.hasPrefix("text/html"): "h"
            default: "j"
            }
        let text = Base64URL.encoded(Array(digest.prefix(15)))
        return "W/\"\(text)\(form)\(language?.rawValue ?? "")\""
    }
}
