internal import CGRPC
internal import Synchronization
internal import Threads

/// A gRPC server with its threads, from start to stop.
///
/// `@unchecked Sendable`: the C pointers are made in `init`, before any thread starts, and are
/// gRPC's to share; `threads` and `acceptor` are touched by `start` and `stop` only, one after the
/// other (`RPCServer` sees to it).
final class RunningServer: @unchecked Sendable {
    private let configuration: RPCServerConfiguration
    private let server: OpaquePointer
    /// Where gRPC tells of calls that have come.
    private let arrivals: OpaquePointer
    private let slots: [ServerSlot]
    private let streams: StreamPlaces
    private let lead: Lead
    private let stopping: StopSignal
    private let inFlight = Atomic<Int>(0)
    /// Calls ever taken.
    private let taken = Atomic<Int>(0)
    /// gRPC has let go of all calls and connections. Also updated when `inFlight` becomes zero.
    private let isShutDown = Monitor(false)
    private var acceptor: Acceptor?
    private var threads: [WorkerThread] = []

    /// How long no call may come before a stopping server is at rest: what a client sent just
    /// before has been read by then.
    private static let restTime = Duration.milliseconds(20)

    init(handlers: [String: RPCHandler], configuration: RPCServerConfiguration) {
        _ = GRPCLibrary.started
        self.configuration = configuration
        let arguments = ChannelArguments.server(messageBytesMax: configuration.requestBytesMax)
        server = arguments.withGRPC { grpc_server_create($0, nil) }
        arrivals = grpc_completion_queue_create_for_next(nil)
        grpc_server_register_completion_queue(server, arrivals, nil)
        lead = Lead(threads: configuration.unaryThreads)
        streams = StreamPlaces(count: configuration.streamThreads)
        stopping = StopSignal()
        slots = Self.makeSlots(handlers, configuration, server: server, stopping: stopping)
        grpc_server_start(server)
    }

    /// After `stop`, or a failed `start`, which stops.
    deinit {
        grpc_server_destroy(server)
        grpc_completion_queue_destroy(arrivals)
    }

    /// The threads carry out or refuse at most so many calls of one method at once: so of twice
    /// that many slots as many are always posted, and the next call is taken while others are
    /// carried out.
    private static func makeSlots(
        _ handlers: [String: RPCHandler], _ configuration: RPCServerConfiguration,
        server: OpaquePointer, stopping: StopSignal
    ) -> [ServerSlot] {
        let unarySlots = 2 * configuration.unaryThreads
        var slots: [ServerSlot] = []
        func add(_ count: Int, _ method: ServerMethod) {
            for _ in 0..<count {
                slots.append(ServerSlot(method, configuration: configuration, stopping: stopping))
            }
        }
        for (name, handler) in handlers {
            // gRPC copies the name.
            let registration = grpc_server_register_method(
                server, name, nil, GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0)
            let method = ServerMethod(name: name, handler: handler, registration: registration)
            switch handler {
            case .unary: add(unarySlots, method)
            case .serverStreaming: add(unarySlots + configuration.streamThreads, method)
            }
        }
        add(unarySlots, ServerMethod(name: "", handler: nil, registration: nil))
        return slots
    }

    /// Starts the threads and takes connections; owns `listener` from here on. If it throws, all
    /// has ended.
    func start(listeningOn listener: CInt) throws(RPCError) {
        let name = String(decoding: configuration.name.utf8.prefix(10), as: UTF8.self)
        let acceptor = Acceptor(
            listener: listener, server: server, peers: configuration.peers,
            refused: configuration.refused)
        self.acceptor = acceptor
        for slot in slots { slot.post(to: server, notifications: arrivals) }
        do throws(RPCError) {
            for index in 0..<configuration.unaryThreads {
                try startThread("\(name)-\(index)") { self.takeCalls() }
            }
            try startThread("\(name)-w") { self.lead.watchOver() }
            for index in 0..<configuration.streamThreads {
                try startThread("\(name)-s\(index)") { self.carryOutStreams() }
            }
            try acceptor.prepare()
            try startThread("\(name)-acc") { acceptor.run() }
        } catch {
            stop(within: .zero)
            throw error
        }
    }

    private func startThread(
        _ name: String, _ body: @escaping @Sendable () -> Void
    ) throws(RPCError) {
        do throws(WorkerThread.Failure) {
            threads.append(try WorkerThread(name: name, body))
        } catch {
            throw RPCError(error)
        }
    }

    /// See `RPCServer.stop`.
    func stop(within bound: Duration) {
        let deadline = RPCDeadline(after: bound)
        acceptor?.stop()
        stopping.isStopping.store(true, ordering: .sequentiallyConsistent)
        grpc_server_shutdown_and_notify(server, arrivals, Self.shutdownTag)
        waitForRest(until: deadline)
        stopping.isCutOff.store(true, ordering: .sequentiallyConsistent)
        // Closes the connections too.
        grpc_server_cancel_all_calls(server)
        streams.close()
        // This thread helps: it ends even if no other was ever started.
        takeCalls()
        for thread in threads { thread.join() }
        threads = []
        acceptor = nil
    }

    /// Waits until no call is under way or on its way.
    private func waitForRest(until deadline: RPCDeadline) {
        while !deadline.hasPassed {
            let takenBefore = taken.load(ordering: .sequentiallyConsistent)
            let isIdle = inFlight.load(ordering: .sequentiallyConsistent) == 0
            let next = isIdle ? deadline.earlier(of: RPCDeadline(after: Self.restTime)) : deadline
            let isOver: Bool? = isShutDown.wait(until: next.monotonic) { isShutDown in
                if isShutDown { return true }
                let isIdleNow = inFlight.load(ordering: .sequentiallyConsistent) == 0
                return isIdleNow && !isIdle ? false : nil
            }
            let isAtRest =
                isIdle && taken.load(ordering: .sequentiallyConsistent) == takenBefore
            if isOver == true || (isOver == nil && isAtRest) { return }
        }
    }

    /// No slot has this address.
    private static var shutdownTag: UnsafeMutableRawPointer? {
        UnsafeMutableRawPointer(bitPattern: 1)
    }
}

// MARK: - What the threads do

extension RunningServer {
    /// What gRPC has to tell.
    private enum News {
        case call(ServerSlot)
        /// The time is over.
        case nothing
        /// There will be no calls any more.
        case end
    }

    /// Takes calls and carries them out until the server has shut down.
    private func takeCalls() {
        let ever = gpr_inf_future(GPR_CLOCK_MONOTONIC)
        let now = gpr_inf_past(GPR_CLOCK_MONOTONIC)
        var turn = lead.take()
        while let current = turn {
            let slot: ServerSlot
            switch current {
            case .carry(let handed): slot = handed
            case .lead:
                guard case .call(let arrived) = news(until: ever) else { return lead.close() }
                slot = arrived
            }
            switch news(until: now) {
            case .call(let next): turn = lead.carry(next: next) { carryOut(slot) }
            case .nothing: turn = lead.carry(next: nil) { carryOut(slot) }
            case .end:
                carryOut(slot)
                return lead.close()
            }
        }
    }

    /// The next call; to be asked by the leader.
    private func news(until deadline: gpr_timespec) -> News {
        while true {
            let event = grpc_completion_queue_next(arrivals, deadline, nil)
            if event.type == GRPC_QUEUE_SHUTDOWN { return .end }
            guard event.type == GRPC_OP_COMPLETE, let tag = event.tag else { return .nothing }
            if tag == Self.shutdownTag {
                isShutDown.update(waking: .all) { $0 = true }
                grpc_completion_queue_shutdown(arrivals)
                continue
            }
            // Without success: a posted slot, given back by a server that stops.
            guard event.success != 0 else { continue }
            return .call(Unmanaged<ServerSlot>.fromOpaque(tag).takeUnretainedValue())
        }
    }

    private func carryOut(_ slot: ServerSlot) {
        taken.add(1, ordering: .sequentiallyConsistent)
        inFlight.add(1, ordering: .sequentiallyConsistent)
        guard !stopping.isCutOff.load(ordering: .relaxed) else {
            slot.finish(error: RPCError(.unavailable, "the server stops"))
            return done(slot)
        }
        switch slot.method.handler {
        case .unary(let handler):
            do {
                let call = slot.opened()
                slot.finish(answer: try handler(call, try slot.takeRequest()))
            } catch {
                slot.finish(error: error)
            }
        case .serverStreaming:
            if streams.offer(slot) { return }
            slot.finish(
                error: RPCError(
                    .resourceExhausted,
                    "\(configuration.streamThreads) streams are served at once"))
        case nil:
            slot.finish(error: RPCError(.unimplemented, "no method \(slot.calledMethod)"))
        }
        done(slot)
    }

    private func carryOutStreams() {
        while let slot = streams.take() {
            if case .serverStreaming(let handler) = slot.method.handler {
                do {
                    let call = slot.opened()
                    let writer = RPCMessageWriter(slot: slot, serial: call.serial)
                    try handler(call, try slot.takeRequest(), writer)
                    slot.finish()
                } catch {
                    slot.finish(error: error)
                }
            }
            // Free before the slot is posted, so that its next call finds the place.
            streams.giveBack()
            done(slot)
        }
    }

    /// The slot's call has ended: the slot waits for the next.
    private func done(_ slot: ServerSlot) {
        let isStopping = stopping.isStopping.load(ordering: .sequentiallyConsistent)
        if !isStopping { slot.post(to: server, notifications: arrivals) }
        let left = inFlight.subtract(1, ordering: .sequentiallyConsistent).newValue
        if left == 0, stopping.isStopping.load(ordering: .sequentiallyConsistent) {
            isShutDown.update(waking: .all) { _ in }
        }
    }
}
