internal import Synchronization

/// The memory that all sorting of a process together may take.
public final class SortBudget: Sendable {
    /// In bytes.
    public let bytesMax: Int
    private let taken = Atomic(0)

    /// A budget of which nothing is taken.
    public init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    /// Bytes that are taken now.
    public var bytesTaken: Int { taken.load(ordering: .relaxed) }

    /// Takes memory; false: there is not so much left.
    func take(_ bytes: Int) -> Bool {
        guard taken.add(bytes, ordering: .relaxed).newValue <= bytesMax else {
            giveBack(bytes)
            return false
        }
        return true
    }

    func giveBack(_ bytes: Int) {
        taken.subtract(bytes, ordering: .relaxed)
    }
}
