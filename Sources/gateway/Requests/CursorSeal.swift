import COpenSSL
import FileModel
import Glibc

/// Seals places in lists as cursors: opaque, the same place always the same text, bound to the list they came from.
///
/// A cursor is base64url of a version byte, the place, and 16 bytes of HMAC-SHA256 (RFC 2104) over the list's identity
/// and the place. It carries no permission and no secret; the seal only keeps cursors to their lists.
struct CursorSeal: Sendable {
    private static let version: UInt8 = 1
    private static let macByteCount = 16
    /// A cursor's longest text: a name, a folder and the seal, in base64.
    static let characterCountMax = 6_144

    private let key: SecretKey

    /// Seals with a key of 32 bytes.
    init(key: [UInt8]) {
        self.key = SecretKey(key)
    }

    /// The key in the state folder, made at the first start.
    ///
    /// It is written beside its place, flushed, and linked into it, so that a crash leaves no half key and two
    /// gateways that start at once agree on one. A file that is no key is replaced: cursors that are under way then
    /// count no more, nothing else depends on it.
    static func key(inFolder folder: String) throws(KeyFailure) -> [UInt8] {
        let path = "\(folder)/cursor.key"
        if let key = try read(path) { return key }
        var key = [UInt8](repeating: 0, count: 32)
        guard getentropy(&key, key.count) == 0 else { throw KeyFailure("getentropy", path) }
        let draft = "\(path).\(getpid())"
        Glibc.unlink(draft)
        let file = Glibc.open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw KeyFailure("open", draft) }
        defer {
            close(file)
            Glibc.unlink(draft)
        }
        guard write(file, key, key.count) == key.count, fsync(file) == 0 else {
            throw KeyFailure("write", draft)
        }
        guard link(draft, path) == 0 || errno == EEXIST else { throw KeyFailure("link", path) }
        guard let agreed = try read(path) else { throw KeyFailure("open", path) }
        return agreed
    }

    /// Why there is no key.
    struct KeyFailure: Error, CustomStringConvertible {
        let description: String

        init(_ call: String, _ path: String) {
            description = "\(path): \(call): \(String(cString: strerror(errno)))"
        }
    }

    private static func read(_ path: String) throws(KeyFailure) -> [UInt8]? {
        // No link, and no wait for whoever would write into a FIFO.
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        if file < 0, errno == ENOENT { return nil }
        guard file >= 0 else { throw KeyFailure("open", path) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_uid == geteuid() || status.st_uid == 0, status.st_mode & 0o077 == 0
        else {
            errno = EPERM
            throw KeyFailure("not a file of this user's alone", path)
        }
        var key = [UInt8](repeating: 0, count: 33)
        let count = Glibc.read(file, &key, key.count)
        guard count >= 0 else { throw KeyFailure("read", path) }
        guard count == 32 else {
            guard Glibc.unlink(path) == 0 || errno == ENOENT else {
                throw KeyFailure("not 32 bytes of key, and unlink", path)
            }
            return nil
        }
        return Array(key.prefix(32))
    }

    /// The cursor of a place in a list.
    func seal(_ place: ListPosition, of list: [UInt8]) -> String {
        var bytes = [Self.version, place.isDirectory ? 1 : 0]
        bytes.append(contentsOf: place.name)
        bytes.append(0)
        bytes.append(contentsOf: place.folder)
        bytes.append(contentsOf: mac(bytes[...], list))
        return Base64URL.encoded(bytes)
    }

    /// The place of a cursor; nil where it is foreign, altered or of another list.
    func open(_ cursor: String, of list: [UInt8]) -> ListPosition? {
        guard cursor.utf8.count <= Self.characterCountMax,
            let bytes = Base64URL.decoded(cursor), bytes.count > 2 + Self.macByteCount
        else { return nil }
        let place = bytes.dropLast(Self.macByteCount)
        let expected = mac(place, list)
        let isGenuine = bytes.suffix(Self.macByteCount).withUnsafeBytes { given in
            CRYPTO_memcmp(given.baseAddress, expected, Self.macByteCount) == 0
        }
        guard isGenuine, place[0] == Self.version,
            let end = place[2...].firstIndex(of: 0), end > 2
        else { return nil }
        return ListPosition(
            name: Array(place[2..<end]), folder: Array(place[(end + 1)...]),
            isDirectory: place[1] == 1)
    }

    private func mac(_ place: ArraySlice<UInt8>, _ list: [UInt8]) -> [UInt8] {
        // The list's length first: no list and place run into each other.
        var message = withUnsafeBytes(of: UInt32(list.count).bigEndian) { Array($0) }
        message.append(contentsOf: list)
        message.append(contentsOf: place)
        return Array(key.mac(message).prefix(Self.macByteCount))
    }
}
