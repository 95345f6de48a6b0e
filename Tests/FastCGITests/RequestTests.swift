internal import FastCGI
internal import Testing

@Suite struct `A request value` {
    private func request(_ parameters: [(String, String)]) -> Request {
        Request(parameters: parameters.map { (name: $0, value: Array($1.utf8)) })
    }

    @Test(arguments: [
        ([("REQUEST_URI", "/a%20b?q=1"), ("SCRIPT_NAME", "/x")], "/a%20b?q=1"),
        ([("SCRIPT_NAME", "/a"), ("PATH_INFO", "/b"), ("QUERY_STRING", "q=1")], "/a/b?q=1"),
        ([("SCRIPT_NAME", "/a"), ("QUERY_STRING", "")], "/a"),
        ([], ""),
    ])
    func `takes its target from REQUEST_URI or puts it together`(
        _ parameters: [(String, String)], _ target: String
    ) {
        #expect(request(parameters).target == Array(target.utf8))
    }

    @Test func `finds parameters by their whole name, and the first of two`() {
        let request = request([
            ("A", "1"), ("AB", "2"), ("A", "3"), ("EMPTY", ""), ("EQUAL", "a=b=c"),
        ])
        #expect(request.parameter("A") == [0x31])
        #expect(request.parameter("AB") == [0x32])
        #expect(request.parameter("EMPTY") == [])
        #expect(request.parameter("EQUAL") == Array("a=b=c".utf8))
        #expect(request.parameter("B") == nil)
        #expect(request.parameter("") == nil)
        #expect(request.method == "")
    }

    @Test(arguments: ["Accept-Language", "accept-language", "ACCEPT-LANGUAGE", "aCCept_Language"])
    func `finds a header whatever its case`(_ name: String) {
        #expect(request([("HTTP_ACCEPT_LANGUAGE", "es")]).header(name) == "es")
    }

    @Test func `knows the two headers that have no prefix`() {
        let request = request([("CONTENT_TYPE", "text/plain"), ("CONTENT_LENGTH", "3")])
        #expect(request.header("Content-Type") == "text/plain")
        #expect(request.header("content-length") == "3")
        #expect(request.header("Accept") == nil)
    }

    @Test func `repairs bad UTF-8 in headers and keeps it in parameters`() {
        let request = Request(parameters: [("HTTP_X", [0x61, 0xff, 0x62])])
        #expect(request.header("X") == "a\u{fffd}b")
        #expect(request.parameter("HTTP_X") == [0x61, 0xff, 0x62])
    }
}
