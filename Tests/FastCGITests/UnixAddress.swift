internal import Glibc

/// The address of a Unix socket.
struct UnixAddress {
    private var address = sockaddr_un()

    init(_ path: String) {
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { place in
            precondition(path.utf8.count < place.count, "108 bytes with its NUL")
            place.copyBytes(from: path.utf8)
        }
    }

    init(_ address: sockaddr_un) { self.address = address }

    var path: String {
        withUnsafeBytes(of: address.sun_path) { place in
            String(decoding: place.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    func with(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
