import FastCGI
import Testing

@testable import gateway

@Suite struct NegotiationTests {
    @Test(
        arguments: [
            (nil, .json), ("", .json), ("*/*", .json), ("text/html", .html), ("TEXT/HTML", .html),
            ("text/*", .html), ("application/*", .json), (",, text/html ,", .html),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", .html),
            ("application/json;q=0.5, text/html;q=0.4", .json),
            ("text/html ; Q=0.9 , application/json ; q=0.1", .html),
            ("text/html;q=0.8, */*;q=0.8", .json), ("text/html;q=0, */*", .json),
            ("application/json;q=0, */*;q=0.1", .html), ("text/html;charset=utf-8", .html),
            ("text/html;q=0.1, text/html;charset=UTF-8, application/json;q=0.5", .html),
            ("image/png", nil), ("application/json;q=0", nil), ("application/json;version=2", nil),
            ("*/*;q=0", nil),
            // What can't be read is as if it were not there.
            ("text/html;q=1.5", .json), ("text/html;q=.5", .json), ("text/html;q=0.1234", .json),
            ("text/html;q=", .json), (";q=1", .json), ("text/ html", .json),
        ] as [(String?, Representation?)])
    func `the form is the one that Accept prefers`(header: String?, form: Representation?) {
        #expect(Representation(accept: header, among: Representation.ofDocuments) == form)
        // A list has two forms more; who asks for the others gets them all the same.
        #expect(form == nil || Representation(accept: header) == form)
    }

    @Test(
        arguments: [
            ("application/x-ndjson", .ndjson), ("text/plain", .text), ("text/*", .html),
            ("application/*", .json), ("text/html;q=0.2, text/*;q=0.5", .text),
            ("application/json;q=0.1, application/*", .ndjson),
            ("application/x-ndjson;q=0.5, text/plain;q=0.5", .ndjson),
            ("text/plain, application/json;q=0.9", .text),
        ] as [(String, Representation)])
    func `a list comes line by line for who asks for that`(header: String, form: Representation) {
        #expect(Representation(accept: header) == form)
    }

    @Test(
        arguments: [
            (nil, .spanish), ("en", .english), ("es", .spanish), ("en-GB,en;q=0.9", .english),
            ("es-MX;q=0.9,en;q=0.8", .spanish), ("en;q=0.8,es;q=0.9", .spanish),
            ("en;q=0.5, es;q=0.5", .spanish), ("fr", .spanish), ("*", .spanish),
            ("en;q=0.1", .english), ("fr, *;q=0.5", .spanish), ("es;q=0, *", .english),
            ("en;q=0", .spanish), ("eng", .spanish), ("EN", .english), ("en;q=x", .spanish),
            ("", .spanish),
        ] as [(String?, Language)])
    func `the language is Spanish unless English is preferred`(header: String?, language: Language)
    {
        #expect(Language(acceptLanguage: header) == language)
    }

    @Test(
        arguments: [
            ("a", 1.0), ("a;q=0", 0), ("a;q=0.", 0), ("a;q=0.5", 0.5), ("a;q=0.125", 0.125),
            ("a;q=1.000", 1), ("a;q=1.001", nil), ("a;q=2", nil), ("a;q=00", nil), ("a;q=-0", nil),
            ("a;q=0.1e1", nil), ("a;q=0.5.5", nil),
        ] as [(String, Double?)])
    func `a quality is 0 or 1 with up to three decimals`(text: String, quality: Double?) {
        #expect(QualityList(text)?.items.first?.quality == quality)
    }

    private static func wishes(_ target: String, accept: String?) -> Wishes {
        let parameters = accept.map { [("HTTP_ACCEPT", Array($0.utf8))] } ?? []
        return Wishes(Request(parameters: parameters), Target(Array(target.utf8)))
    }

    @Test(
        arguments: [
            ("/?formato=html", "application/json", .html), ("/?formato=json", "text/html", .json),
            ("/?a=b&f%6Frmato=html", nil, .html), ("/?formato=json", "image/png", .json),
            // A formato that is none is told of among the parameters, in whatever form was accepted.
            ("/?formato=xml", "image/png", .json), ("/", "text/html", .html),
            ("/", "image/png", nil),
        ] as [(String, String?, Representation?)])
    func `formato wins over Accept`(target: String, accept: String?, form: Representation?) {
        let wishes = Self.wishes(target, accept: accept)
        do throws(Problem) {
            #expect(try wishes.form() == form)
        } catch {
            #expect(form == nil && error.code == .notAcceptable)
        }
    }

    @Test(
        arguments: [
            ("/?formato=xml", "text/html", .html), ("/?formato=html", "image/png", .html),
            ("/", "image/png", .json), ("/", "text/html", .html), ("/", nil, .json),
        ] as [(String, String?, Representation)])
    func `a problem has the form that was wished for, where that is known`(
        target: String, accept: String?, form: Representation
    ) {
        #expect(Self.wishes(target, accept: accept).problemForm == form)
    }
}

@Suite struct RequestIdentityTests {
    private static func identity(_ parameters: [String: String]) -> RequestIdentity {
        RequestIdentity(
            Request(parameters: parameters.map { (name: $0.key, value: Array($0.value.utf8)) }))
    }

    private let uuid = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/

    @Test(arguments: ["a", "A.b_c-9", String(repeating: "x", count: 128)])
    func `an id of the client's is taken over`(id: String) {
        let identity = Self.identity(["HTTP_X_REQUEST_ID": id])
        #expect(identity.id == id)
        #expect(identity.uuid.wholeMatch(of: uuid) != nil)
    }

    @Test(arguments: ["", "a b", "a\nb", "é", "a/b", "<b>", String(repeating: "x", count: 129)])
    func `what is no id becomes a UUID of our own`(id: String) {
        let identity = Self.identity(["HTTP_X_REQUEST_ID": id])
        #expect(identity.id.wholeMatch(of: uuid) != nil)
        #expect(identity.uuid == identity.id)
        #expect(identity.id != Self.identity(["HTTP_X_REQUEST_ID": id]).id)
    }

    @Test func `an id that is a UUID is the instance, too`() {
        let given = "0123ABCD-0000-1000-8000-00000000000F"
        let identity = Self.identity(["HTTP_X_REQUEST_ID": given])
        #expect(identity.id == given)
        #expect(identity.uuid == given.lowercased())
    }

    @Test func `the id that the web server made or took over counts first`() {
        #expect(Self.identity(["REQUEST_ID": "one", "HTTP_X_REQUEST_ID": "two"]).id == "one")
    }

    @Test func `a trace goes on with a span of its own`() throws {
        let trace = "0af7651916cd43dd8448eb211c80319c"
        let identity = Self.identity(["HTTP_TRACEPARENT": "00-\(trace)-b7ad6b7169203331-01"])
        let parent = try #require(identity.traceparent)
        let match = try #require(parent.wholeMatch(of: /00-([0-9a-f]{32})-([0-9a-f]{16})-01/))
        #expect(match.1 == trace)
        #expect(match.2 != "b7ad6b7169203331" && match.2 != "0000000000000000")
        #expect(identity.traceID == trace)
    }

    @Test(arguments: [
        "", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
    ])
    func `a bad traceparent is as if it were not there`(text: String) {
        let identity = Self.identity(["HTTP_TRACEPARENT": text])
        #expect(identity.traceparent == nil && identity.traceID == nil)
    }
}
