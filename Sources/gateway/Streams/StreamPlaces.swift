import Synchronization

/// How many lists are streamed at the same time: each has a thread of the gateway's for as long as its client reads. One
/// client gets half of them, so that it does not keep all others out; this machine gets all.
final class StreamPlaces: Sendable {
    private struct State {
        var taken = 0
        var byClient: [ClientAddress: Int] = [:]
    }

    private let state = Mutex(State())
    /// How many there are.
    let count: Int
    /// How many one client gets.
    let countOfOne: Int

    init(count: Int) {
        self.count = count
        countOfOne = max(1, count / 2)
    }

    /// Streams under way.
    var taken: Int { state.withLock { $0.taken } }

    /// A place that is taken, until it is let go of.
    final class Place: Sendable {
        private let places: StreamPlaces
        private let client: ClientAddress

        fileprivate init(_ places: StreamPlaces, _ client: ClientAddress) {
            self.places = places
            self.client = client
        }

        deinit {
            places.state.withLock { state in
                state.taken -= 1
                let left = (state.byClient[client] ?? 1) - 1
                state.byClient[client] = left > 0 ? left : nil
            }
        }
    }

    /// A place; nil where all are taken, or all that this client gets.
    func take(for client: ClientAddress) -> Place? {
        let mayTake = state.withLock { state in
            let own = state.byClient[client] ?? 0
            guard state.taken < count, client == .loopback || own < countOfOne else { return false }
            state.taken += 1
            state.byClient[client] = own + 1
            return true
        }
        return mayTake ? Place(self, client) : nil
    }
}
