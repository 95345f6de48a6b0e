internal import Glibc

/// A web server's side of FastCGI, written from the specification 1.0 alone, so that it shares no
/// mistake with what it tests.
final class FastCGIClient {
    struct Answer: Equatable {
        var standardOutput: [UInt8] = []
        var applicationStatus: UInt32 = 0
        var protocolStatus: UInt8 = 0
        /// How many STDOUT records with content it came in.
        var records = 0

        /// The CGI header block, split at its lines.
        var headerLines: [String] {
            String(decoding: standardOutput.prefix(headBytes), as: UTF8.self)
                .split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
                .filter { !$0.isEmpty }
        }
        var body: [UInt8] { Array(standardOutput.dropFirst(headBytes)) }
        var text: String { String(decoding: body, as: UTF8.self) }

        private var headBytes: Int {
            let end: [UInt8] = [13, 10, 13, 10]
            for start in standardOutput.indices.dropLast(3)
            where standardOutput[start..<(start + 4)].elementsEqual(end) {
                return start + 4
            }
            return standardOutput.count
        }
    }

    enum Failure: Error, Equatable {
        case connect(CInt)
        case closed
        case timedOut
        case unexpected(type: UInt8)
    }

    /// Record types (section 8).
    enum Kind {
        static let begin: UInt8 = 1
        static let abort: UInt8 = 2
        static let end: UInt8 = 3
        static let parameters: UInt8 = 4
        static let standardInput: UInt8 = 5
        static let standardOutput: UInt8 = 6
        static let data: UInt8 = 8
        static let getValues: UInt8 = 9
    }

    let descriptor: CInt

    init(path: String) throws {
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let result = UnixAddress(path).with { connect(descriptor, $0, $1) }
        // The descriptor is closed by `deinit`, which runs here too.
        guard result == 0 else { throw Failure.connect(errno) }
        // A test that waits for what never comes must end.
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, size)
    }

    deinit { close(descriptor) }

    // MARK: Sending

    /// Sends as much as the peer takes; false if it is gone.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent,
                    CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    func finishSending() { shutdown(descriptor, CInt(SHUT_WR)) }

    /// A whole exchange.
    func get(_ target: String, method: String = "GET", keep: Bool = true) throws -> Answer {
        send(
            Self.request(
                parameters: [("REQUEST_METHOD", method), ("REQUEST_URI", target)], keep: keep))
        return try answer()
    }

    /// The bytes of a request; its parameters and its body are cut into records of `cut` bytes.
    static func request(
        id: UInt16 = 1, role: UInt16 = 1, parameters: [(String, String)], body: [UInt8] = [],
        keep: Bool = true, cut: Int = 65_535, padding: Int = 0
    ) -> [UInt8] {
        begin(id: id, role: role, keep: keep)
            + stream(Kind.parameters, id, pairs(parameters), cut: cut, padding: padding)
            + stream(Kind.standardInput, id, body, cut: cut, padding: padding)
    }

    static func begin(id: UInt16 = 1, role: UInt16 = 1, keep: Bool = true) -> [UInt8] {
        record(
            Kind.begin, id, [UInt8(role >> 8), UInt8(role & 255), keep ? 1 : 0, 0, 0, 0, 0, 0])
    }

    static func stream(
        _ type: UInt8, _ id: UInt16, _ content: [UInt8], cut: Int, padding: Int = 0
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: content.count, by: cut) {
            let part = content[start..<min(start + cut, content.count)]
            bytes += record(type, id, Array(part), padding: padding)
        }
        return bytes + record(type, id, [])
    }

    static func record(
        version: UInt8 = 1, _ type: UInt8, _ id: UInt16, _ content: [UInt8], padding: Int = 0
    ) -> [UInt8] {
        let head = [
            version, type, UInt8(id >> 8), UInt8(id & 255), UInt8(content.count >> 8),
            UInt8(content.count & 255), UInt8(padding), 0,
        ]
        return head + content + [UInt8](repeating: 0xaa, count: padding)
    }

    static func pairs(_ parameters: [(String, String)]) -> [UInt8] {
        parameters.flatMap { name, value in
            length(name.utf8.count) + length(value.utf8.count) + Array(name.utf8)
                + Array(value.utf8)
        }
    }

    private static func length(_ count: Int) -> [UInt8] {
        guard count > 127 else { return [UInt8(count)] }
        return [
            UInt8(count >> 24) | 0x80, UInt8(count >> 16 & 255), UInt8(count >> 8 & 255),
            UInt8(count & 255),
        ]
    }

    // MARK: Receiving

    /// Reads records until the request's end.
    func answer(id: UInt16 = 1) throws -> Answer {
        var answer = Answer()
        while true {
            let head = try receive(8)
            let content = try receive(Int(head[4]) << 8 | Int(head[5]))
            _ = try receive(Int(head[6]))
            guard UInt16(head[2]) << 8 | UInt16(head[3]) == id, head[0] == 1 else {
                throw Failure.unexpected(type: head[1])
            }
            switch head[1] {
            case Kind.standardOutput:
                answer.standardOutput += content
                if !content.isEmpty { answer.records += 1 }
            case Kind.end:
                answer.applicationStatus = content.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
                answer.protocolStatus = content[4]
                return answer
            default: throw Failure.unexpected(type: head[1])
            }
        }
    }

    /// Reads until the peer closes; throws if it does not in time.
    @discardableResult
    func receiveToEnd() throws -> [UInt8] {
        var bytes: [UInt8] = []
        do {
            while true { bytes += try receive(1) }
        } catch Failure.closed {
            return bytes
        }
    }

    func receive(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = bytes.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress.map { $0 + filled }, count - filled, 0)
            }
            if got > 0 {
                filled += got
            } else if got < 0, errno == EAGAIN {
                throw Failure.timedOut
            } else {
                throw Failure.closed
            }
        }
        return bytes
    }
}
