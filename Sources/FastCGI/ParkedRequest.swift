internal import Synchronization

/// By this a handler can put off its answer: it parks the request, and its thread is free for others.
///
/// It belongs to the thread that calls the handler, and is of no use after the handler has returned.
public final class Parking {
    private let connections: Connections
    private let way: AnswerWay
    /// Whether the connection is the parked request's now.
    private(set) var isTaken = false

    init(connections: Connections, way: AnswerWay) {
        self.connections = connections
        self.way = way
    }

    /// Takes the answer away from this thread. The handler returns nil then; what else it returns is not sent.
    ///
    /// - Returns: nil, and nothing has changed, when so many are parked already that others would find no connection.
    public func park() -> ParkedRequest? {
        precondition(!isTaken, "a request is parked once")
        guard connections.takeParkingPlace() else { return nil }
        isTaken = true
        return ParkedRequest(connections: connections, way: way)
    }
}

@available(*, unavailable)
extension Parking: Sendable {}

/// A request whose answer comes later, from any thread, while none waits for it.
///
/// It is answered once, and what comes after that does nothing. One that is dropped gets a 500: so none is left without an
/// answer, and none keeps its connection for ever. Until then `Request.peer` tells of its peer.
public final class ParkedRequest: Sendable {
    private let connections: Connections
    private let way: AnswerWay
    private let isDone = Atomic(false)

    init(connections: Connections, way: AnswerWay) {
        self.connections = connections
        self.way = way
    }

    deinit {
        if take() { way.send(Self.failure, on: connections) }
    }

    /// Sends the answer, and never waits for the peer: what it does not take at once, a worker sends it.
    ///
    /// It must be whole: in place of one with a ``Response/stream`` a 500 is sent.
    public func answer(_ response: Response) {
        guard take() else { return }
        way.send(response.stream == nil ? response : Self.failure, on: connections)
    }

    /// Has a worker make the answer and send it: for one that takes more than sending. When the responder has stopped
    /// before one is free, `make` is dropped and the connection has ended.
    public func answer(byWorker make: @escaping @Sendable () -> Response) {
        connections.leave(
            .run {
                guard !self.isDone.load(ordering: .acquiring) else { return }
                self.answer(make())
            })
    }

    private func take() -> Bool {
        let isMine = !isDone.exchange(true, ordering: .acquiringAndReleasing)
        if isMine { connections.giveParkingPlaceBack() }
        return isMine
    }

    private static var failure: Response { Response(status: 500) }
}

/// Where the answer to a request goes, and what becomes of its connection then.
struct AnswerWay: Sendable {
    let held: Connections.Held
    /// The request's, of FastCGI.
    let id: UInt16
    /// Whether the peer wants to keep the connection.
    let isKept: Bool
    let method: String

    /// Sends a whole answer and gives the connection back.
    fileprivate func send(_ response: borrowing Response, on connections: Connections) {
        var head: [UInt8] = []
        head.reserveCapacity(1_024)
        response.appendHead(to: &head)
        let body = response.hasBody(answering: method) ? response.body : []
        switch AnswerRecords.begin(head, body, of: id, to: held.descriptor) {
        case .done: end(isWritten: true, on: connections)
        case .gone: end(isWritten: false, on: connections)
        case .rest(let rest):
            // For the peer to take it some thread has to wait, but not this one: it may have others to answer.
            connections.leave(
                .run { [connections] in
                    end(
                        isWritten: AnswerRecords.write(rest, to: held.descriptor),
                        on: connections)
                })
        }
    }

    private func end(isWritten: Bool, on connections: Connections) {
        connections.peer(of: held).forget()
        guard isWritten, isKept else {
            connections.discard(held)
            return
        }
        // The next request is there already: a worker's work.
        if !connections.keep(held) { connections.leave(.serve(held)) }
    }
}
