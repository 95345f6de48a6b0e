internal import Glibc

/// A request as the web server told it: its FastCGI parameters, copied, and nothing else.
///
/// The body was read and dropped. Copying a value shares its storage.
public struct Request: Sendable {
    /// `REQUEST_METHOD`, as it came; empty when the web server sent none.
    public let method: String
    /// The request target, undecoded: `REQUEST_URI`, else `SCRIPT_NAME`, `PATH_INFO` and, after a
    /// `?`, `QUERY_STRING` (the CGI names of RFC 3875, 4.1).
    public let target: [UInt8]

    /// Who waits for the answer; nil for a request that came by no connection.
    public internal(set) var peer: Peer?

    /// Every parameter as `NAME=value`, one after the other: one allocation for all of them.
    private let bytes: [UInt8]
    private let fields: [Field]

    private struct Field {
        let start: Int
        /// The place of the `=`.
        let separator: Int
        let end: Int
    }

    /// A request with these parameters; of two with the same name the first counts.
    public init(parameters: [(name: String, value: [UInt8])]) {
        var bytes: [UInt8] = []
        var fields: [Field] = []
        fields.reserveCapacity(parameters.count)
        for parameter in parameters {
            let start = bytes.count
            bytes.append(contentsOf: parameter.name.utf8)
            bytes.append(UInt8(ascii: "="))
            let separator = bytes.count - 1
            bytes.append(contentsOf: parameter.value)
            fields.append(Field(start: start, separator: separator, end: bytes.count))
        }
        self.init(bytes: bytes, fields: fields)
    }

    /// Copies an environment as libfcgi gives it: `NAME=value` strings, ended by a null pointer.
    init(environment: UnsafePointer<UnsafeMutablePointer<CChar>?>) {
        var fields: [Field] = []
        fields.reserveCapacity(48)  // nginx sends about 20 and a few headers.
        var strings: [UnsafeMutablePointer<CChar>] = []
        strings.reserveCapacity(48)
        var size = 0
        var entry = environment
        while let string = entry.pointee {
            let length = strlen(string)
            // libfcgi writes the `=` itself; a string without one would have no value.
            if let separator = strchr(string, CInt(UInt8(ascii: "="))) {
                let name = separator - string
                fields.append(Field(start: size, separator: size + name, end: size + length))
                strings.append(string)
                size += length
            }
            entry += 1
        }
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            for (string, field) in zip(strings, fields) {
                guard let base = buffer.baseAddress else { break }
                memcpy(base + field.start, string, field.end - field.start)
            }
            count = size
        }
        self.init(bytes: bytes, fields: fields)
    }

    private init(bytes: [UInt8], fields: [Field]) {
        self.bytes = bytes
        self.fields = fields
        method = Self.value(of: "REQUEST_METHOD", bytes, fields).map(Self.text) ?? ""
        target =
            Self.value(of: "REQUEST_URI", bytes, fields).map(Array.init)
            ?? Self.assembledTarget(bytes, fields)
    }

    /// The value of any FastCGI parameter (`QUERY_STRING`, `REMOTE_ADDR`, `HTTP_ACCEPT`…), as it
    /// came.
    public func parameter(_ name: String) -> [UInt8]? {
        Self.value(of: name, bytes, fields).map(Array.init)
    }

    /// The value of an HTTP header, whatever the case of `name`; bad UTF-8 becomes U+FFFD.
    ///
    /// `Accept-Language` is the parameter `HTTP_ACCEPT_LANGUAGE`; `Content-Type` and
    /// `Content-Length` have no prefix (RFC 3875, 4.1.18).
    public func header(_ name: String) -> String? {
        var parameter = ""
        parameter.reserveCapacity(name.utf8.count + 5)
        for character in name.unicodeScalars {
            switch character {
            case "-": parameter.unicodeScalars.append("_")
            case "a"..."z":
                parameter.unicodeScalars.append(Unicode.Scalar(UInt8(character.value) - 32))
            default: parameter.unicodeScalars.append(character)
            }
        }
        let isBare = parameter == "CONTENT_TYPE" || parameter == "CONTENT_LENGTH"
        return Self.value(of: isBare ? parameter : "HTTP_" + parameter, bytes, fields)
            .map(Self.text)
    }

    private static func value(
        of name: String, _ bytes: [UInt8], _ fields: [Field]
    ) -> ArraySlice<UInt8>? {
        var name = name
        return name.withUTF8 { wanted in
            bytes.withUnsafeBufferPointer { all in
                for field in fields where field.separator - field.start == wanted.count {
                    // Empty buffers may have no address.
                    guard let mine = all.baseAddress, let theirs = wanted.baseAddress else {
                        continue
                    }
                    if memcmp(mine + field.start, theirs, wanted.count) == 0 {
                        return bytes[(field.separator + 1)..<field.end]
                    }
                }
                return nil
            }
        }
    }

    private static func assembledTarget(_ bytes: [UInt8], _ fields: [Field]) -> [UInt8] {
        var target = value(of: "SCRIPT_NAME", bytes, fields).map(Array.init) ?? []
        target += value(of: "PATH_INFO", bytes, fields) ?? []
        if let query = value(of: "QUERY_STRING", bytes, fields), !query.isEmpty {
            target.append(UInt8(ascii: "?"))
            target += query
        }
        return target
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes, as: UTF8.self)
    }
}
