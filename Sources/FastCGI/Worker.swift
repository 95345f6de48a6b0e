internal import Glibc

/// What one thread does: wait for an event, and carry a request from its first byte to its last.
struct Worker: ~Copyable {
    /// How long the listener stays paused when nothing else wakes it.
    private static let pauseMilliseconds: CInt = 100

    private let connections: Connections
    private let configuration: ResponderConfiguration
    private let handler: @Sendable (Request) -> Response
    private var request: LibraryRequest
    private var records: RequestRecords
    private let input: UnsafeMutableRawBufferPointer
    /// Used again for every answer.
    private var head: [UInt8] = []

    init(
        connections: Connections, pipe: CheckedPipe, configuration: ResponderConfiguration,
        handler: @escaping @Sendable (Request) -> Response
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
            guard carry(held) else {
                connections.discard(held)
                return
            }
        } while !connections.keep(held)
    }

    /// One request and its answer; true if the connection may be kept.
    private mutating func carry(_ held: Connections.Held) -> Bool {
        guard receive(from: held.descriptor),
            var received = request.begin(records, answerTo: held.descriptor)
        else { return false }
        received.peer = connections.peer(of: held)
        defer { received.peer?.forget() }
        let response = handler(received)
        head.removeAll(keepingCapacity: true)
        response.appendHead(to: &head)
        let hasBody = response.hasBody(answering: received.method)
        guard hasBody, let stream = response.stream else {
            return request.answer(head, hasBody ? response.body : []) && !records.hasMore
        }
        // Until the end of the request is written: that may wait behind the last piece as long as a piece may.
        connections.limitWrites(of: held, to: configuration.streamWriteTimeout)
        defer { connections.limitWrites(of: held, to: configuration.writeTimeout) }
        guard request.writer.write(head), stream(BodyWriter(out: request.writer)) else {
            request.abandon()
            return false
        }
        return request.finish() && !records.hasMore
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
