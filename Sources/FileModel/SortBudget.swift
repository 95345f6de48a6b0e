internal import Synchronization

/// The memory that all sorting of a process together may take.
public final class SortBudget: Sendable {
    private let limit: Atomic<Int>
    private let taken = Atomic(0)

    /// A budget of which nothing is taken.
    public init(bytesMax: Int) {
        limit = Atomic(bytesMax)
    }

    /// In bytes. What is taken already stays taken when it is made less.
    public var bytesMax: Int {
        get { limit.load(ordering: .relaxed) }
        set { limit.store(newValue, ordering: .relaxed) }
    }

    /// What one sorting may take: half, so that a large list that is read slowly leaves something to others.
    var bytesOfOneMax: Int { bytesMax / 2 }

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
