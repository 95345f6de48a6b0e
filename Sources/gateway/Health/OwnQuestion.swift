import CLinux
import Glibc

/// The gateway's question to itself, by the way that nginx's requests come: `GET /salud` as one FastCGI request (FastCGI
/// specification 1.0) on its own socket. So the watchdog knows of a hung epoll and of workers that are all stuck.
enum OwnQuestion {
    /// How long the answer may take, in seconds.
    static let patience = 2

    /// Whether the answer came, and was 200.
    static func isAnswered(at path: String) -> Bool {
        guard let connection = connection(to: path) else { return false }
        defer { close(connection) }
        let request = Self.request
        guard send(connection, request, request.count, CInt(MSG_NOSIGNAL)) == request.count else {
            return false
        }
        var answer: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 4_096)
        // The server closes the connection after the answer: it was not told to keep it.
        while answer.count < 64 * 1_024 {
            let count = recv(connection, &block, block.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return false }
            if count == 0 { break }
            answer += block.prefix(count)
        }
        // Behind the first record's header of 8 bytes.
        return answer.dropFirst(8).starts(with: Array("Status: 200".utf8))
    }

    private static func connection(to path: String) -> CInt? {
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let connection = socket(AF_UNIX, kind, 0)
        guard connection >= 0 else { return nil }
        var patience = timeval(tv_sec: patience, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, size)
        setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, size)
        if clinux_connect_unix(connection, path) == 0 { return connection }
        close(connection)
        return nil
    }

    /// BEGIN_REQUEST (responder, connection not kept), PARAMS, and the empty ends of PARAMS and STDIN.
    private static let request: [UInt8] = {
        var parameters: [UInt8] = []
        for (name, value) in [
            ("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/salud"), ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("REQUEST_ID", "watchdog"),
        ] {
            parameters += [UInt8(name.utf8.count), UInt8(value.utf8.count)]
            parameters += Array(name.utf8) + Array(value.utf8)
        }
        func record(_ type: UInt8, _ content: [UInt8]) -> [UInt8] {
            let size = content.count
            return [1, type, 0, 1, UInt8(size >> 8), UInt8(size & 0xFF), 0, 0] + content
        }
        return record(1, [0, 1, 0, 0, 0, 0, 0, 0]) + record(4, parameters) + record(4, [])
            + record(5, [])
    }()
}
