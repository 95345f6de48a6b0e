import Glibc

/// Where a client is, as far as clients are told apart: an IPv4 address, or the /64 of an IPv6 address, of which one client
/// has all (RFC 6177).
enum ClientAddress: Hashable, Sendable {
    /// This machine.
    case loopback
    /// The bytes that tell it from others.
    case remote([UInt8])

    /// - Parameter address: as the web server gives it (`REMOTE_ADDR`, RFC 3875, 4.1.8). What is none is one of its own.
    init(_ address: [UInt8]?) {
        let text = String(decoding: address ?? [], as: UTF8.self)
        if text == "::1" || text.hasPrefix("127.") || text.hasPrefix("::ffff:127.") {
            self = .loopback
            return
        }
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET6, text, &bytes) == 1 {
            let isMapped = bytes.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
            self = .remote(isMapped ? Array(bytes.suffix(4)) : Array(bytes.prefix(8)))
        } else if inet_pton(AF_INET, text, &bytes) == 1 {
            self = .remote(Array(bytes.prefix(4)))
        } else {
            self = .remote(address ?? [])
        }
    }
}
