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

    /// Why there is no place.
    enum Refusal: Error {
        case allTaken
        /// This client has all that one gets.
        case clientHasIts
    }

    /// A place.
    func take(for client: ClientAddress) throws(Refusal) -> Place {
        let refusal: Refusal? = state.withLock { state in
            let own = state.byClient[client] ?? 0
            guard state.taken < count else { return .allTaken }
            guard client == .loopback || own < countOfOne else { return .clientHasIts }
            state.taken += 1
            state.byClient[client] = own + 1
            return nil
        }
        if let refusal { throw refusal }
        return Place(self, client)
    }
}
