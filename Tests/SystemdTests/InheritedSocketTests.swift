import Glibc
import TestSupport
import Testing

@testable import Systemd

@Suite struct InheritedSocketTests {
    /// A socket at consecutive descriptors from the result on.
    private static func descriptors(_ make: [() -> CInt]) -> CInt {
        // Far from where anybody else's are.
        let first = CInt.random(in: 500...900) * 2
        for (index, make) in make.enumerated() {
            let made = make()
            dup2(made, first + CInt(index))
            close(made)
        }
        return first
    }

    private static func listening(in folder: TemporaryFolder, _ name: String) -> CInt {
        let made = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var place = sockaddr_un()
        place.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &place.sun_path) {
            $0.copyBytes(from: Array("\(folder.path)/\(name)".utf8))
        }
        _ = withUnsafePointer(to: &place) { place in
            place.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(made, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        listen(made, 1)
        return made
    }

    @Test func `sockets are found by their names, and are closed on exec`() throws {
        let folder = try TemporaryFolder()
        let first = Self.descriptors([
            { Self.listening(in: folder, "a") }, { Self.listening(in: folder, "b") },
        ])
        defer { for descriptor in first...first + 1 { close(descriptor) } }
        let sockets = try InheritedSockets(
            pid: String(getpid()), count: "2", names: "gateway:control", first: first)
        #expect(sockets.descriptor(named: "gateway") == first)
        #expect(sockets.descriptor(named: "control") == first + 1)
        #expect(sockets.descriptor(named: "other") == nil)
        #expect(fcntl(first, F_GETFD) & FD_CLOEXEC != 0)
    }

    private static let own = String(getpid())
    private static let others: [(String?, String?)] = [
        (nil, "1"), ("1", "1"), ("", "1"), (own, nil), (own, "0"), (own, "-1"), (own, "65"),
        (own, "x"), (own, "99999999999"),
    ]

    @Test(arguments: others)
    func `what was meant for another process is left alone`(pid: String?, count: String?) throws {
        // No such descriptor is open: touching it would be an error.
        let sockets = try InheritedSockets(pid: pid, count: count, names: "a", first: 4_000)
        #expect(sockets.descriptor(named: "a") == nil)
    }

    @Test func `what does not listen on a Unix socket is refused in one line that names it`() throws
    {
        func unconnected() -> CInt { socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0) }
        func internet() -> CInt {
            let made = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            listen(made, 1)
            return made
        }
        func file() -> CInt { open("/dev/null", O_RDONLY) }
        for make in [unconnected, internet, file] {
            let first = Self.descriptors([make])
            defer { close(first) }
            let failure = #expect(throws: InheritedSockets.Failure.self) {
                try InheritedSockets(
                    pid: String(getpid()), count: "1", names: "mserv1", first: first)
            }
            #expect(failure?.description.contains("descriptor \(first) (mserv1)") == true)
        }
    }
}
