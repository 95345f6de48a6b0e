/// An answer: status, headers, body.
public struct Response {
    /// Writes a body piece by piece, on the thread that answers; true: the body is whole.
    ///
    /// With false the connection ends without the end of the request: the web server learns that something is missing.
    public typealias Stream = (BodyWriter) -> Bool

    /// The HTTP status, 100…999; anything else is sent as 500.
    public var status: Int
    /// Sent in this order. A name that is no token (RFC 9110, 5.6.2) and the name `Status`, which
    /// CGI keeps for itself, are dropped; control bytes in a value become spaces (RFC 9110, 5.5).
    public var headers: [(name: String, value: String)]
    /// Not sent in answer to HEAD, nor with the statuses that have none (1xx, 204, 304).
    public var body: [UInt8]
    /// Makes the body, in place of ``body``. Called only where a body is sent.
    public var stream: Stream?

    /// An answer that has not been sent.
    public init(
        status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        stream: Stream? = nil
    ) {
        self.status = status
        self.headers = headers
        self.body = body
        self.stream = stream
    }

    /// Whether HTTP lets a body follow (RFC 9110, 6.4.1).
    func hasBody(answering method: String) -> Bool {
        method != "HEAD" && sentStatus >= 200 && sentStatus != 204 && sentStatus != 304
    }

    /// Appends the CGI header block (RFC 3875, 6.3), its empty line included.
    ///
    /// Whatever the headers hold, it is one block: no byte of a value ends a line.
    func appendHead(to head: inout [UInt8]) {
        let status = sentStatus
        head.append(contentsOf: "Status: \(status)".utf8)
        if let reason = Self.reason(status) {
            head.append(UInt8(ascii: " "))
            head.append(contentsOf: reason.utf8)
        }
        Self.appendNewline(to: &head)
        for (name, value) in headers where Self.maySend(name) {
            head.append(contentsOf: name.utf8)
            head.append(UInt8(ascii: ":"))
            head.append(UInt8(ascii: " "))
            let start = head.count
            head.append(contentsOf: value.utf8)
            for index in start..<head.count where Self.isControl(head[index]) {
                head[index] = UInt8(ascii: " ")
            }
            Self.appendNewline(to: &head)
        }
        Self.appendNewline(to: &head)
    }

    private var sentStatus: Int { (100...999).contains(status) ? status : 500 }

    private static func appendNewline(to head: inout [UInt8]) {
        head.append(UInt8(ascii: "\r"))
        head.append(UInt8(ascii: "\n"))
    }

    private static func isControl(_ byte: UInt8) -> Bool {
        (byte < 0x20 && byte != UInt8(ascii: "\t")) || byte == 0x7f
    }

    private static func maySend(_ name: String) -> Bool {
        let name = name.utf8
        guard !name.isEmpty, name.allSatisfy(isTokenByte) else { return false }
        return name.count != 6 || !name.elementsEqual("status".utf8) { $0 | 0x20 == $1 }
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        // The other characters of `tchar`.
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"),
            UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"),
            UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// The reason phrase: nginx copies it into HTTP/1.1's status line, where people read it.
    private static func reason(_ status: Int) -> String? {
        switch status {
        case 200: "OK"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 409: "Conflict"
        case 410: "Gone"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 429: "Too Many Requests"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        default: nil
        }
    }
}
