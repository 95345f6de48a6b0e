import COpenSSL
import Glibc

/// A key of 32 bytes, and what is made with it: HMAC-SHA256 (RFC 2104) and keys for single purposes.
struct SecretKey: Sendable {
    let bytes: [UInt8]

    /// Why there is no key; without a word of its content.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// How long a key's file may be: enough to be a key, little enough to be none by mistake.
    static let fileBytes = 32...4_096

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The key that a file's bytes make, whatever they are: `openssl rand -hex 32` writes one. White space at its end
    /// does not count.
    init(file path: String) throws(Failure) {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            throw Failure(description: "\(path): \(String(cString: strerror(errno)))")
        }
        defer { close(file) }
        var text = [UInt8](repeating: 0, count: Self.fileBytes.upperBound + 2)
        let count = Glibc.read(file, &text, text.count)
        guard count >= 0 else {
            throw Failure(description: "\(path): \(String(cString: strerror(errno)))")
        }
        var content = text.prefix(count)
        while let last = content.last, [0x20, 0x0A, 0x0D, 0x09].contains(last) {
            content.removeLast()
        }
        guard Self.fileBytes.contains(content.count) else {
            throw Failure(
                description:
                    "\(path): has \(content.count) bytes; a key has \(Self.fileBytes.lowerBound) to "
                    + "\(Self.fileBytes.upperBound)")
        }
        let all = Array(content)
        var digest = [UInt8](repeating: 0, count: 32)
        let done = copenssl_sha256(all, all.count, &digest)
        precondition(done == 1, "SHA-256 is there in every libcrypto")
        bytes = digest
    }

    /// HMAC-SHA256 of a message: 32 bytes.
    func mac(_ message: [UInt8]) -> [UInt8] {
        var mac = [UInt8](repeating: 0, count: 32)
        let done = copenssl_hmac_sha256(bytes, CInt(bytes.count), message, message.count, &mac)
        precondition(done == 1, "HMAC-SHA256 is there in every libcrypto")
        return mac
    }

    /// A key of its own for a purpose: who knows one does not know the others.
    func derived(for purpose: String) -> SecretKey {
        SecretKey(mac(Array("pasarela \(purpose)".utf8)))
    }
}
