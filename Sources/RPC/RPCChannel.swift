internal import Threads

/// A client of one server behind a Unix socket, for use by any number of threads at once.
///
/// Calls at the same time have a connection each, which the next calls use again. (Sharing one, a caller would wake up for
/// another's answer, and wake the other.) What was lost is made again by the call after it: a server that has come back is
/// found by the next call. A call blocks its thread until
/// it is answered or its deadline has passed, and fails at once if the server is absent. Nothing is
/// tried again in here.
public final class RPCChannel: Sendable {
    private struct State {
        /// Not under way: the next call takes the last, whose memory is warm.
        var idle: [ClientCall] = []
        /// As many as there ever were callers at once.
        var all: [ClientCall] = []
        var isShutDown = false
        /// Somebody connects: the others wait for what comes of it.
        var isConnecting = false
        /// Calls that are carried now, each on its connection.
        var underWay = 0
        /// Of the attempts that have failed, how many, and why the last one did.
        var failures = 0
        var lastFailure: RPCError?
    }

    /// How long a server may take to take a connection: longer than one that restarts needs, shorter than anybody waits
    /// for one that does not come.
    private static let takingPatience = Duration.milliseconds(500)

    private let path: String
    private let messageBytesMax: Int
    private let state = Monitor(State())

    /// Connects to nothing yet.
    ///
    /// - Parameters:
    ///   - path: where the server listens, 1…107 bytes.
    ///   - messageBytesMax: the longest request that is sent and the longest answer that is taken;
    ///     past it a call fails with `resourceExhausted`.
    public init(unixSocket path: String, messageBytesMax: Int = 4 * 1024 * 1024) {
        // Takes some 10 ms: not within the first call.
        _ = GRPCLibrary.startedForCalls
        self.path = path
        self.messageBytesMax = messageBytesMax
    }

    deinit {
        shutdown()
    }

    /// Sends a request, waits for its answer and returns it.
    ///
    /// - Parameters:
    ///   - method: `/package.Service/Method`.
    ///   - metadata: travels beside the request.
    ///   - deadline: ends the call, on the server too.
    ///   - cancellation: lets another thread end it.
    /// - Throws: `unavailable` when the server is not reached or goes away, `deadlineExceeded`,
    ///   `cancelled` after `shutdown`, or what the server answered.
    public func call(
        _ method: String, _ request: [UInt8], metadata: RPCMetadata = RPCMetadata(),
        deadline: RPCDeadline, cancellation: RPCCancellation? = nil
    ) throws(RPCError) -> [UInt8] {
        let request = ClientRequest(
            method: method, message: request, metadata: metadata, deadline: deadline,
            cancellation: cancellation)
        let (call, connection) = try begin(request, connectedBy: deadline)
        do {
            let answer = try call.unary(request, on: connection)
            end(call)
            return answer
        } catch {
            end(call, failing: error)
            throw error
        }
    }

    /// Sends a request whose answer is a stream.
    ///
    /// - Parameters:
    ///   - deadline: ends the whole stream, on the server too.
    ///   - patience: how long the server may take to take a connection.
    ///   - cancellation: lets another thread end it.
    /// - Throws: as `call`, where the request could not be sent.
    public func open(
        _ method: String, _ request: [UInt8], metadata: RPCMetadata = RPCMetadata(),
        deadline: RPCDeadline, patience: Duration = .seconds(10),
        cancellation: RPCCancellation? = nil
    ) throws(RPCError) -> RPCStream {
        let request = ClientRequest(
            method: method, message: request, metadata: metadata, deadline: deadline,
            cancellation: cancellation)
        let (call, connection) = try begin(
            request, connectedBy: deadline.earlier(of: RPCDeadline(after: patience)))
        do {
            try call.beginStream(request, on: connection)
            return RPCStream(self, call, deadline, cancellation)
        } catch {
            end(call, failing: error)
            throw error
        }
    }

    /// Cancels the calls under way and lets go of the connections; later calls fail with
    /// `cancelled`.
    public func shutdown() {
        let (all, idle) = state.update(waking: .all) { state in
            state.isShutDown = true
            defer { state.idle = [] }
            return (state.all, state.idle)
        }
        for call in idle { call.connection = nil }
        for call in all { call.cancelForGood() }
    }

    /// Connections that wait for a call, for tests.
    var idleConnections: Int {
        state.update(waking: .none) { state in state.idle.count { $0.connection != nil } }
    }

    private func begin(
        _ request: borrowing ClientRequest, connectedBy deadline: RPCDeadline
    ) throws(RPCError) -> (ClientCall, Connection) {
        guard request.message.count <= messageBytesMax else {
            throw RPCError(
                .resourceExhausted,
                "a request of \(request.message.count) bytes: at most \(messageBytesMax) are sent")
        }
        guard !request.deadline.hasPassed else {
            throw RPCError(.deadlineExceeded, "the deadline had passed before the call")
        }
        let call = try state.update(waking: .none) { state throws(RPCError) in
            try Self.takeCall(&state)
        }
        if let known = call.connection, !known.isClosedByPeer {
            state.update(waking: .none) { $0.underWay += 1 }
            return (call, known)
        }
        call.connection = nil
        do {
            let connection = try connect(by: deadline)
            call.connection = connection
            state.update(waking: .none) { $0.underWay += 1 }
            return (call, connection)
        } catch {
            giveBack(call, wasUnderWay: false)
            throw error
        }
    }

    private static func takeCall(_ state: inout State) throws(RPCError) -> ClientCall {
        guard !state.isShutDown else { throw RPCError(.cancelled, "the channel is shut down") }
        if let call = state.idle.popLast() { return call }
        let call = ClientCall()
        state.all.append(call)
        return call
    }

    private enum Turn: Sendable {
        case connect
        case fail(RPCError)
    }

    /// Of many callers one connects at a time; where it fails, it fails for all who wait.
    ///
    /// A server that carries other calls is there: one that does not take a connection then is busy, or hangs, and it is
    /// the deadline that ends the waiting. One of which nothing is known is absent after a moment.
    private func connect(by deadline: RPCDeadline) throws(RPCError) -> Connection {
        let before = state.update(waking: .none) { $0.failures }
        let turn: Turn? = state.wait(until: deadline.monotonic) { state in
            if state.isShutDown { return .fail(RPCError(.cancelled, "the channel is shut down")) }
            if state.failures > before, let error = state.lastFailure { return .fail(error) }
            if state.isConnecting { return nil }
            state.isConnecting = true
            return .connect
        }
        switch turn {
        case .fail(let error): throw error
        case nil:
            // A wait may end early where the clock was changed: then only this much is known, that there is no connection.
            throw RPCError(
                deadline.hasPassed ? .deadlineExceeded : .unavailable,
                "connection to \(path): it is not taken")
        case .connect: break
        }
        do throws(RPCError) {
            let connection = try connected(by: deadline)
            let isShutDown = state.update(waking: .all) { state in
                state.isConnecting = false
                return state.isShutDown
            }
            if isShutDown { throw RPCError(.cancelled, "the channel is shut down") }
            return connection
        } catch {
            // Whoever had little time left has not seen that the server is away: the next one tries for itself.
            let isCommon = !deadline.hasPassed
            state.update(waking: .all) { state in
                state.isConnecting = false
                guard isCommon else { return }
                state.failures += 1
                state.lastFailure = error
            }
            throw error
        }
    }

    private func connected(by deadline: RPCDeadline) throws(RPCError) -> Connection {
        let patience = deadline.earlier(of: RPCDeadline(after: Self.takingPatience))
        do throws(RPCError) {
            return try Connection(
                path: path, arguments: .client(messageBytesMax: messageBytesMax), by: patience)
        } catch {
            guard error.code == .deadlineExceeded, !deadline.hasPassed else { throw error }
            // Asked now: calls that came together with this one may have begun meanwhile.
            guard state.update(waking: .none, { $0.underWay > 0 }) else {
                throw RPCError(.unavailable, error.message)
            }
            return try Connection(
                path: path, arguments: .client(messageBytesMax: messageBytesMax), by: deadline)
        }
    }

    /// The call has ended well.
    func end(_ call: ClientCall) {
        giveBack(call, wasUnderWay: true)
    }

    /// For the next caller.
    private func giveBack(_ call: ClientCall, wasUnderWay: Bool) {
        let isShutDown = state.update(waking: .none) { state in
            if wasUnderWay { state.underWay -= 1 }
            if !state.isShutDown { state.idle.append(call) }
            return state.isShutDown
        }
        if isShutDown { call.connection = nil }
    }

    /// The call has ended otherwise.
    func end(_ call: ClientCall, failing error: RPCError) {
        if error.isRetriable {
            // It may be a server that stops, whose connections take no more calls but are still open: the idle ones as
            // well. (They are closed when this returns, with no lock held.)
            call.connection = nil
            let idle = state.update(waking: .none) { state in
                defer { for other in state.idle { other.connection = nil } }
                return state.idle.map(\.connection)
            }
            withExtendedLifetime(idle) {}
        }
        end(call)
    }
}
