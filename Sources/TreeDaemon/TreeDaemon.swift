private import ArchiveProtocol
private import Glibc
private import RootedFiles
public import Logging
public import FileModel
public import RPC
public import Service

/// A daemon that reads the tree and answers by gRPC: what mserv1 and mserv2 share.
public struct TreeDaemon: Sendable {
    /// How long calls in flight may take to end when the daemon stops.
    public static let stopPatience = Duration.seconds(5)

    /// Streams at a time; those who watch the health have one each.
    public static let streamsMax = 32

    private let configuration: TreeDaemonConfiguration
    private let log: Logger
    private let tree: TreeWatch
    private let calls: CallCount
    /// Of the calls that failed, and not by a fault of the daemon's.
    private let budget: LineBudget

    /// A daemon.
    ///
    /// - Parameter earlier: the one whose place it takes at a reload: it goes on with what that one has seen.
    public init(_ configuration: TreeDaemonConfiguration, log: Logger, after earlier: Self? = nil) {
        self.configuration = configuration
        self.log = log
        tree = earlier?.tree ?? TreeWatch(log)
        calls = earlier?.calls ?? CallCount()
        budget = earlier?.budget ?? LineBudget()
    }

    /// Serves until it is told to stop; then lets calls in flight end.
    ///
    /// - Parameters:
    ///   - service: the daemon's gRPC service.
    ///   - name: `mserv1` or `mserv2`: its socket's name in systemd.
    ///   - status: ``status()`` of the daemon that counts now.
    ///   - reload: makes a new configuration the one that counts.
    /// - Throws: what keeps it from listening, in one line.
    public func serve<Configuration>(
        _ service: String, _ handlers: [String: RPCHandler], as name: String,
        under supervision: Supervision<Configuration>, status: @escaping @Sendable () -> String,
        reload: (Configuration, Logger) throws -> Void
    ) throws {
        let health = HealthService(services: [service])
        var server = RPCServerConfiguration()
        server.unaryThreads = configuration.rpcThreads
        server.streamThreads = Self.streamsMax
        server.answerBytesMax = archiveMessageBytesMax
        server.peers = configuration.peers.users
        let strangers = StrangerLog(log)
        server.refused = { strangers.refused($0) }
        let all = handlers.merging(health.handlers()) { own, _ in own }
        let rpc = RPCServer(handlers: all, configuration: server)
        let socket = try supervision.socket(
            name, path: configuration.socketPath, mode: configuration.socketMode)
        try rpc.start(listeningOn: socket.descriptor)
        // The watchdog's question comes by the way that the gateway's do.
        let itself = RPCChannel(unixSocket: configuration.socketPath)
        // Busy is not hung: behind long searches the question waits, while answers are made.
        let alive = calls.observer()
        defer { itself.shutdown() }
        try supervision.run(
            "serves \(configuration.rootPath) at \(configuration.socketPath)", status: status,
            log: log,
            probe: { Self.answers(service, itself) || alive.hasMoved() }, apply: reload)
        socket.unlink()
        health.stop()
        rpc.stop(within: Self.stopPatience)
    }

    /// How the daemon is, in a line. Looks whether the tree is there: a change is told in the log, asked for or not.
    public func status() -> String {
        let count = calls.count
        let calls = "\(count) \(count == 1 ? "call" : "calls") answered"
        do throws(FileError) {
            try configuration.tree.root.look()
            guard access(configuration.rootPath, R_OK | X_OK) == 0 else {
                tree.isAbsent("\(configuration.rootPath) may not be read by this user")
                return "may not read \(configuration.rootPath): \(calls)"
            }
            tree.isThere()
            return "serves \(configuration.rootPath): \(calls)"
        } catch {
            tree.isAbsent(error.description)
            return "waits for \(configuration.rootPath), which is not there: \(calls)"
        }
    }

    private static func answers(_ service: String, _ channel: RPCChannel) -> Bool {
        do throws(RPCError) {
            return try HealthService.check(
                service, on: channel, deadline: RPCDeadline(after: .seconds(2)))
        } catch {
            return false
        }
    }

    /// Runs an answer and logs it where it failed, was slow, or every call is asked for.
    ///
    /// The line has the request's id as the gateway logs it.
    ///
    /// - Parameter isStream: how long it takes is its client's choice, so it is never slow.
    public func logged<Answer>(
        _ call: RPCServerCall, isStream: Bool = false, _ answer: () throws(RPCError) -> Answer
    ) throws(RPCError) -> Answer {
        let start = ContinuousClock.now
        defer { calls.add() }
        do throws(RPCError) {
            let result = try answer()
            // Whoever has left did not get it. Looked at only where it will be told: that takes a system call.
            let isLeft = configuration.logRequests && call.waitUntilCancelled(for: .zero)
            note(call, isLeft ? .cancelled : .ok, "", start, isStream: isStream)
            return result
        } catch {
            note(call, error.code, error.message, start, isStream: isStream)
            throw error
        }
    }

    /// The fields by which a call is found in every log.
    private func fields(of call: RPCServerCall) -> Logger.Metadata {
        var fields: Logger.Metadata = [:]
        if let id = call.metadata[RequestMetadata.requestID] { fields["REQUEST_ID"] = "\(id)" }
        if let trace = call.metadata.traceID { fields["TRACE_ID"] = "\(trace)" }
        return fields
    }

    private func note(
        _ call: RPCServerCall, _ code: RPCStatusCode, _ message: String,
        _ start: ContinuousClock.Instant, isStream: Bool
    ) {
        let duration = ContinuousClock.now - start
        let isSlow = !isStream && duration >= configuration.slowRequest
        // Clients leave all the time; one that has waited in vain shall find why.
        let isOrdinary = code == .ok || code == .cancelled
        guard !isOrdinary || isSlow || configuration.logRequests else { return }
        var level = Logger.Level.info
        if code == .internalError || code == .resourceExhausted || code == .unknown {
            level = .error
        }
        var omitted = 0
        if code != .ok, level == .info, !configuration.logRequests {
            guard let before = budget.line() else { return }
            omitted = before
        }
        var metadata: Logger.Metadata = [
            "RPC_METHOD": "\(call.method)", "RPC_GRPC_STATUS_CODE": "\(code.rawValue)",
            "DURATION_US": "\(duration.wholeMicroseconds)",
        ]
        metadata.merge(fields(of: call)) { own, _ in own }
        if omitted > 0 { metadata["LINES_OMITTED"] = "\(omitted)" }
        let what =
            switch code {
            case .ok: isSlow ? "slow call" : "call"
            case .cancelled: "call given up by the client"
            default: "call failed: \(message)"
            }
        log.log(level: level, "\(what)", metadata: metadata)
    }
}

extension TreeDaemon {
    /// Runs a reading of the tree: its errors become gRPC's, and what the system said of a failure is logged here.
    public func reading<Answer>(
        for call: RPCServerCall, _ body: () throws(FileError) -> Answer
    ) throws(RPCError) -> Answer {
        do throws(FileError) {
            let answer = try body()
            tree.isThere()
            return answer
        } catch {
            if error.code == .treeAbsent {
                tree.isAbsent(error.description)
            } else if [.failed, .noResources].contains(error.code) {
                log.error("reading failed: \(error.description)", metadata: fields(of: call))
            }
            throw RPCError(error)
        }
    }
}
