internal import Glibc

/// What one thread does: wait for an event, and carry a request from its first byte to its last.
struct Worker: ~Copyable {
    /// How long the listener stays paused when nothing else wakes it.
    private static let pauseMilliseconds: CInt = 100

    private let connections: Connections
    private let configuration: ResponderConfiguration
    private let handler: Responder.ParkingHandler
    private var request: LibraryRequest
    private var records: RequestRecords
    private let input: UnsafeMutableRawBufferPointer
    /// Used again for every answer.
    private var head: [UInt8] = []

    init(
        connections: Connections, pipe: CheckedPipe, configuration: ResponderConfiguration,
        handler: @escaping Responder.ParkingHandler
    ) {
        self.connections = connections
        self.configuration = configuration
        self.handler = handler
        request = LibraryRequest(pipe: pipe)
        records = RequestRecords(
            parameterBytesMax: request.parameterBytesMax, bodyBytesMax: configuration.bodyBytesMax)
        input = .allocate(byteCount: 16_384, alignment: 16)
        head.reserveCapacity(2_048)
    }

    deinit { input.deallocate() }

    /// Returns when the threads are to end.
    mutating func run() {
        var hasPaused = false
        while true {
            switch connections.wait(milliseconds: hasPaused ? Self.pauseMilliseconds : -1) {
            case .arrival:
                switch connections.acceptOne() {
                case .done: hasPaused = false
                case .bytes(let held): serve(held)
                case .paused: hasPaused = true
                }
            case .bytes(let held):
                serve(held)
            case .work(.serve(let held)):
                serve(held)
            case .work(.run(let run)):
                run()
            case .nothing:
                if hasPaused { connections.resume() }
                hasPaused = false
            case .end:
                return
            }
        }
    }

    /// The connection's request, and the next ones if they are there as soon as it is answered.
    private mutating func serve(_ held: Connections.Held) {
        repeat {
            switch carry(held) {
            case .mayBeKept: break
            case .isOver:
                connections.discard(held)
                return
            case .isParked: return
            }
        } while !connections.keep(held)
    }

    /// What becomes of a connection after a request.
    private enum Rest {
        case mayBeKept
        case isOver
        /// It is no longer this thread's.
        case isParked
    }

    /// One request and its answer.
    private mutating func carry(_ held: Connections.Held) -> Rest {
        guard receive(from: held.descriptor),
            var received = request.begin(records, answerTo: held.descriptor)
        else { return .isOver }
        received.peer = connections.peer(of: held)
        // Where more has come in, the connection ends after the answer: not worth parking.
        let parking =
            records.hasMore
            ? nil
            : Parking(
                connections: connections,
                way: AnswerWay(
                    held: held, id: request.id, isKept: request.isKept, method: received.method))
        let response = handler(received, parking)
        if parking?.isTaken ?? false {
            request.abandon()
            return .isParked
        }
        defer { received.peer?.forget() }
        return answer(received, response ?? Response(status: 500), held) && !records.hasMore
            ? .mayBeKept : .isOver
    }

    /// True if the peer asked to keep the connection and has got everything.
    private mutating func answer(
        _ received: Request, _ response: Response, _ held: Connections.Held
    ) -> Bool {
        head.removeAll(keepingCapacity: true)
        response.appendHead(to: &head)
        let hasBody = response.hasBody(answering: received.method)
        guard hasBody, let stream = response.stream else {
            return request.answer(head, hasBody ? response.body : [])
        }
        // Until the end of the request is written: that may wait behind the last piece as long as a piece may.
        connections.limitWrites(of: held, to: configuration.streamWriteTimeout)
        defer { connections.limitWrites(of: held, to: configuration.writeTimeout) }
        guard request.writer.write(head), stream(BodyWriter(out: request.writer)) else {
            request.abandon()
            return false
        }
        return request.finish()
    }

    /// Reads a whole request, its body included; false if it is malformed, cut off, or takes too
    /// long.
    private mutating func receive(from socket: CInt) -> Bool {
        records.reset()
        var deadline: ContinuousClock.Instant?
        while true {
            // Waits for `readTimeout` at most (SO_RCVTIMEO); not at all for the first bytes.
            let count = recv(socket, input.baseAddress, input.count, 0)
            guard count > 0 else { return false }
            switch records.take(UnsafeRawBufferPointer(rebasing: input[..<count])) {
            case .complete: return true
            case .refused: return false
            case .incomplete:
                // Not per read only: who sends a byte now and then must not keep a thread.
                let now = ContinuousClock.now
                let end = deadline ?? now + configuration.readTimeout
                guard now < end else { return false }
                deadline = end
            }
        }
    }
}
