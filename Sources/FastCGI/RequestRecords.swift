/// The records of one request, checked as they come in, before libfcgi sees any of them.
///
/// libfcgi 2.4.2 trusts its peer: two parameter lengths of 2 GiB end the process (an assertion on
/// `malloc`), a long `FCGI_GET_VALUES` record overruns a buffer on its stack, and a peer that sends
/// a byte now and then holds a thread for ever. So it gets one BEGIN, its PARAMS and an empty
/// STDIN, whole and well-formed, and nothing else. What no web server sends to a responder
/// (management records, a second request before the first has ended, aborts, other roles) is
/// refused; the body is counted and dropped.
///
/// FastCGI 1.0, sections 3.3 (records), 3.4 (name-value pairs), 5 and 6.2 (responder).
struct RequestRecords {
    enum Progress {
        case incomplete, complete, refused
    }

    private enum Kind {
        static let begin: UInt8 = 1
        static let parameters: UInt8 = 4
        static let body: UInt8 = 5
    }

    private enum Expected {
        case begin, parameters, body, nothing
    }

    private static let headerBytes = 8
    private static let responder: UInt8 = 1

    private let parameterBytesMax: Int
    private let bodyBytesMax: Int

    private var expected = Expected.begin
    private var header: [UInt8] = []
    private var contentLeft = 0
    private var paddingLeft = 0
    private var bodyBytes = 0
    private var id: (UInt8, UInt8) = (0, 0)
    private var begin: [UInt8] = []
    private var parameters: [UInt8] = []
    /// Whether bytes followed the request: then the peer is not in step.
    private(set) var hasMore = false

    init(parameterBytesMax: Int, bodyBytesMax: Int) {
        self.parameterBytesMax = parameterBytesMax
        self.bodyBytesMax = bodyBytesMax
        parameters.reserveCapacity(4_096)
    }

    /// Ready for the next request.
    mutating func reset() {
        expected = .begin
        header.removeAll(keepingCapacity: true)
        contentLeft = 0
        paddingLeft = 0
        bodyBytes = 0
        begin.removeAll(keepingCapacity: true)
        parameters.removeAll(keepingCapacity: true)
        hasMore = false
    }

    /// Takes the next bytes of the connection, wherever they are cut.
    mutating func take(_ bytes: UnsafeRawBufferPointer) -> Progress {
        var rest = bytes[...]
        while !rest.isEmpty {
            if contentLeft > 0 {
                let part = rest.prefix(contentLeft)
                guard takeContent(UnsafeRawBufferPointer(rebasing: part)) else { return .refused }
                contentLeft -= part.count
                rest = rest.dropFirst(part.count)
            } else if paddingLeft > 0 {
                let count = min(paddingLeft, rest.count)
                paddingLeft -= count
                rest = rest.dropFirst(count)
            } else if expected == .nothing {
                hasMore = true
                return .complete
            } else {
                let part = rest.prefix(Self.headerBytes - header.count)
                header.append(contentsOf: part)
                rest = rest.dropFirst(part.count)
                guard header.count < Self.headerBytes || takeHeader() else { return .refused }
            }
        }
        return expected == .nothing && paddingLeft == 0 ? .complete : .incomplete
    }

    /// The request as libfcgi reads it, after it is complete.
    func appendForLibrary(to bytes: inout [UInt8]) {
        appendRecord(Kind.begin, begin[...], to: &bytes)
        // A multiple of 8, as the specification recommends.
        for start in stride(from: 0, to: parameters.count, by: 65_528) {
            let end = min(start + 65_528, parameters.count)
            appendRecord(Kind.parameters, parameters[start..<end], to: &bytes)
        }
        appendRecord(Kind.parameters, [], to: &bytes)
        appendRecord(Kind.body, [], to: &bytes)
    }

    private func appendRecord(_ kind: UInt8, _ content: ArraySlice<UInt8>, to bytes: inout [UInt8])
    {
        bytes.append(1)
        bytes.append(kind)
        bytes.append(id.0)
        bytes.append(id.1)
        bytes.append(UInt8(content.count >> 8))
        bytes.append(UInt8(content.count & 0xff))
        bytes.append(0)
        bytes.append(0)
        bytes.append(contentsOf: content)
    }

    private mutating func takeHeader() -> Bool {
        let (version, kind) = (header[0], header[1])
        let itsID = (header[2], header[3])
        contentLeft = Int(header[4]) << 8 | Int(header[5])
        paddingLeft = Int(header[6])
        header.removeAll(keepingCapacity: true)
        guard version == 1 else { return false }
        switch expected {
        case .begin:
            guard kind == Kind.begin, itsID != (0, 0), contentLeft == 8 else { return false }
            id = itsID
        case .parameters:
            guard kind == Kind.parameters, itsID == id else { return false }
            guard contentLeft == 0 else {
                return parameters.count + contentLeft <= parameterBytesMax
            }
            guard areWhole(parameters) else { return false }
            expected = .body
        case .body:
            guard kind == Kind.body, itsID == id else { return false }
            bodyBytes += contentLeft
            guard bodyBytes <= bodyBytesMax else { return false }
            if contentLeft == 0 { expected = .nothing }
        case .nothing: return false
        }
        return true
    }

    private mutating func takeContent(_ part: UnsafeRawBufferPointer) -> Bool {
        switch expected {
        case .begin:
            begin.append(contentsOf: part)
            guard begin.count == 8 else { return true }
            expected = .parameters
            return begin[0] == 0 && begin[1] == Self.responder
        case .parameters: parameters.append(contentsOf: part)
        case .body, .nothing: break
        }
        return true
    }

    /// Whether the pairs end where the stream ends, none holds a NUL and no name a `=`: libfcgi hands
    /// them on as C strings `NAME=value`, which would end there, or be of another name.
    private func areWhole(_ pairs: [UInt8]) -> Bool {
        var place = 0
        while place < pairs.count {
            guard let name = Self.length(pairs, &place), let value = Self.length(pairs, &place),
                name + value <= pairs.count - place,
                !pairs[place..<(place + name + value)].contains(0),
                !pairs[place..<(place + name)].contains(UInt8(ascii: "="))
            else { return false }
            place += name + value
        }
        return true
    }

    /// One byte, or four whose first bit is set.
    private static func length(_ bytes: [UInt8], _ place: inout Int) -> Int? {
        guard place < bytes.count else { return nil }
        let first = Int(bytes[place])
        guard first & 0x80 != 0 else {
            place += 1
            return first
        }
        guard bytes.count - place >= 4 else { return nil }
        defer { place += 4 }
        return (first & 0x7f) << 24 | Int(bytes[place + 1]) << 16 | Int(bytes[place + 2]) << 8
            | Int(bytes[place + 3])
    }
}
