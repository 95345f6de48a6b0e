internal import CLinux
internal import Glibc

/// A descriptor that a thread waiting for the broker also waits on: an eventfd.
public final class WakeUp: Sendable {
    let descriptor: CInt

    /// One that nobody has signalled.
    public init() throws(RabbitMQError) {
        descriptor = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
        guard descriptor >= 0 else {
            throw RabbitMQError(.system, "eventfd: \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(descriptor) }

    /// Ends the wait under way, or the next one. Never blocks.
    public func signal() {
        var one: UInt64 = 1
        // It fails only where the count would overflow: the descriptor is readable then, which is all that is wanted.
        _ = write(descriptor, &one, 8)
    }

    /// Takes back what was signalled so far. To be called before looking for what it was signalled for.
    public func clear() {
        var count: UInt64 = 0
        // Nothing to read is no fault.
        _ = read(descriptor, &count, 8)
    }
}
