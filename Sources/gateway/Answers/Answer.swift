import FastCGI
import RPC

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
    /// Headers of this answer alone.
    var headers: [(name: String, value: String)] = []

    init(json body: [UInt8], language: Language? = nil) {
        contentType = "application/json"
        self.body = body
        self.language = language
    }

    init(html body: [UInt8], language: Language) {
        contentType = "text/html; charset=utf-8"
        self.body = body
        self.language = language
    }
}
