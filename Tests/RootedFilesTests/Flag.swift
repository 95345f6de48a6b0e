import Glibc
import Synchronization

/// A flag that one thread raises and another looks at.
final class Flag: Sendable {
    private let value = Atomic(false)

    func raise() {
        value.store(true, ordering: .releasing)
    }

    var isRaised: Bool { value.load(ordering: .acquiring) }
}

/// How often each thing was seen.
final class Tally: Sendable {
    private let seen = Mutex<[String: Int]>([:])

    func count(_ what: String) {
        seen.withLock { $0[what, default: 0] += 1 }
    }

    var counts: [String: Int] { seen.withLock { $0 } }
}

/// A Unix socket at a path; nobody listens.
struct BoundSocket {
    private let descriptor: CInt

    struct Failure: Error {}

    init(at path: String) throws(Failure) {
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0 else { throw Failure() }
    }

    func close() {
        Glibc.close(descriptor)
    }
}
