private import Synchronization

/// A value that a reload replaces as a whole: who takes it works with it to the end, whatever comes after it.
public final class Replaceable<Value: Sendable>: Sendable {
    private let current: Mutex<Value>

    /// The first one.
    public init(_ value: Value) {
        current = Mutex(value)
    }

    /// The one that counts now.
    public var value: Value { current.withLock { $0 } }

    /// From now on this one counts.
    public func replace(with value: Value) {
        current.withLock { $0 = value }
    }
}
