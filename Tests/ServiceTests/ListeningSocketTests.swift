import Glibc
import Service
import Synchronization
import TestSupport
import Testing

@Suite struct ListeningSocketTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = "\(folder.path)/a/b/test.sock"
    }

    private func connects() -> Bool {
        let client = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(client) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                connect(client, address, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    private func status(_ path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    private func failure(_ path: String) -> String? {
        do throws(ListeningSocket.Failure) {
            close(try ListeningSocket(path: path, mode: 0o600).descriptor)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func `it listens, in folders that it makes, and is gone when it is unlinked`() throws {
        let socket = try ListeningSocket(path: path, mode: 0o600)
        #expect(connects())
        #expect(fcntl(socket.descriptor, F_GETFD) & FD_CLOEXEC != 0)
        socket.unlink()
        #expect(status(path) == nil)
        close(socket.descriptor)
    }

    @Test(arguments: [0o600, 0o660, 0o666, 0o777])
    func `its mode is exactly what was asked for`(mode: Int) throws {
        let socket = try ListeningSocket(path: path, mode: mode)
        defer { close(socket.descriptor) }
        #expect(status(path).map { Int($0.st_mode) & 0o7777 } == mode)
    }

    /// It is the whole process's: a folder that another thread makes meanwhile would have it.
    @Test func `while sockets are made the umask is as it was`() throws {
        let isDone = Atomic(0)
        let changes = Atomic(0)
        let failures = Atomic(0)
        let makers = (0..<4).map { [path] maker in
            {
                @Sendable in
                for number in 0..<200 {
                    do {
                        let place = "\(path).\(maker).\(number)"
                        close(try ListeningSocket(path: place, mode: 0o600).descriptor)
                    } catch {
                        failures.add(1, ordering: .relaxed)
                    }
                }
                isDone.add(1, ordering: .relaxed)
            }
        }
        let folder = "\(folder.path)/made"
        let watcher = {
            @Sendable in
            while isDone.load(ordering: .relaxed) < 4 {
                var status = stat()
                guard mkdir(folder, 0o700) == 0, stat(folder, &status) == 0,
                    status.st_mode & 0o777 == 0o700, rmdir(folder) == 0
                else {
                    changes.add(1, ordering: .relaxed)
                    rmdir(folder)
                    continue
                }
            }
        }
        concurrently(makers + [watcher])
        #expect(changes.load(ordering: .relaxed) == 0 && failures.load(ordering: .relaxed) == 0)
    }

    @Test func `a socket that nobody listens on any more is replaced`() throws {
        close(try ListeningSocket(path: path, mode: 0o600).descriptor)
        #expect(!connects() && status(path) != nil)
        let socket = try ListeningSocket(path: path, mode: 0o600)
        defer { close(socket.descriptor) }
        #expect(connects())
    }

    @Test func `one that is listened on is refused and left alone`() throws {
        let socket = try ListeningSocket(path: path, mode: 0o600)
        defer { close(socket.descriptor) }
        #expect(failure(path) == "\(path): another process listens there")
        #expect(connects())
    }

    @Test func `what is no socket is refused and left alone`() throws {
        let file = "\(folder.path)/file"
        try folder.file("file", holding: "precious").folder("folder").link("link", to: "none")
        for name in ["file", "folder", "link"] {
            let path = "\(folder.path)/\(name)"
            let before = status(path)
            #expect(failure(path) == "\(path): is there and is no socket")
            #expect(status(path)?.st_ino == before?.st_ino)
        }
        #expect(status(file)?.st_size == 8)
    }

    @Test func `a path of 107 bytes is the longest`() throws {
        let room = 107 - folder.path.utf8.count - 1
        let longest = "\(folder.path)/\(String(repeating: "s", count: room))"
        #expect(failure(longest) == nil)
        #expect(status(longest) != nil)
        #expect(failure(longest + "s") == "\(longest)s: a socket's path has at most 107 bytes")
        #expect(status(longest + "s") == nil)
        let inside = "\(folder.path)/file/x/s"
        try folder.file("file")
        #expect(failure(inside)?.contains("mkdir: Not a directory") == true)
    }

    @Test func `only its own socket is unlinked`() throws {
        let old = try ListeningSocket(path: path, mode: 0o600)
        Glibc.unlink(path)
        let new = try ListeningSocket(path: path, mode: 0o600)
        old.unlink()
        #expect(connects())
        new.unlink()
        #expect(status(path) == nil)
        for socket in [old, new] { close(socket.descriptor) }
    }
}
