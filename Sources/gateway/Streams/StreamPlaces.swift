import Synchronization

/// How many lists are streamed at the same time: each has a thread of the gateway's for as long as its client reads.
final class StreamPlaces: Sendable {
    private let taken = Atomic(0)
    let count: Int

    init(count: Int) {
        self.count = count
    }

    /// A place that is taken, until it is let go of.
    final class Place: Sendable {
        private let places: StreamPlaces

        fileprivate init(_ places: StreamPlaces) {
            self.places = places
        }

        deinit {
            places.taken.subtract(1, ordering: .relaxed)
        }
    }

    /// A place; nil where all are taken.
    func take() -> Place? {
        guard taken.add(1, ordering: .relaxed).newValue <= count else {
            taken.subtract(1, ordering: .relaxed)
            return nil
        }
        return Place(self)
    }
}
