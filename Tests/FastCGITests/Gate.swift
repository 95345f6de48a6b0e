internal import Glibc

/// Lets a handler tell that it has begun, and wait until the test lets it go on.
final class Gate: Sendable {
    private let entered: (read: CInt, write: CInt)
    private let opened: (read: CInt, write: CInt)

    init() {
        entered = Self.pipe()
        opened = Self.pipe()
    }

    deinit {
        for descriptor in [entered.read, entered.write, opened.read, opened.write] {
            close(descriptor)
        }
    }

    /// Called by the handler: returns after `open`.
    func pass() {
        var byte: UInt8 = 1
        write(entered.write, &byte, 1)
        read(opened.read, &byte, 1)
    }

    /// Waits until so many more have entered.
    func awaitEntered(_ count: Int = 1) {
        var byte: UInt8 = 0
        for _ in 0..<count { read(entered.read, &byte, 1) }
    }

    /// Lets so many pass.
    func open(_ count: Int = 1) {
        let bytes = [UInt8](repeating: 1, count: count)
        write(opened.write, bytes, count)
    }

    private static func pipe() -> (CInt, CInt) {
        var ends: [CInt] = [0, 0]
        precondition(Glibc.pipe(&ends) == 0)
        return (ends[0], ends[1])
    }
}
