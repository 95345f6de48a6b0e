internal import Glibc

/// A user and a password in a file, as systemd's LoadCredential= hands them in.
enum Credentials {
    /// The longest file that is read.
    static let bytesMax = 4_096

    /// Reads the line `USER:PASSWORD`; the user has no colon, a line end is not part of the password.
    static func read(_ path: String) throws(RabbitMQError) -> (user: String, password: String) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        guard descriptor >= 0 else { throw wrong(path, "can't be opened", errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: bytesMax + 1)
        while bytes.count <= bytesMax {
            let count = Glibc.read(descriptor, &part, part.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw wrong(path, "can't be read", errno) }
            guard count > 0 else { break }
            bytes += part[..<count]
        }
        guard bytes.count <= bytesMax else { throw wrong(path, "is longer than \(bytesMax) bytes") }
        if bytes.last == 0x0A { bytes.removeLast() }
        if bytes.last == 0x0D { bytes.removeLast() }
        guard let text = String(validating: bytes, as: UTF8.self),
            bytes.allSatisfy({ $0 >= 0x20 }), let colon = text.firstIndex(of: ":"),
            colon > text.startIndex
        else { throw wrong(path, "is not one line USER:PASSWORD") }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }

    private static func wrong(_ path: String, _ what: String, _ error: CInt = 0) -> RabbitMQError {
        let reason = error == 0 ? "" : ": \(String(cString: strerror(error)))"
        return RabbitMQError(
            .configuration, "the broker's credentials file \(path) \(what)\(reason)")
    }
}
