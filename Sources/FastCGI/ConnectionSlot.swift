internal import Synchronization

/// A place for one connection at a time, and who has it: nobody, epoll, or one thread.
///
/// The way of a request takes no lock (a lock that 64 threads take twice a request cost 40 µs of
/// futex calls each): whoever moves the state by compare-and-swap has the connection.
///
/// | from | to | by |
/// |---|---|---|
/// | vacant | busy | who accepts: `open` |
/// | idle | busy | who gets the event, or closes for want of room: `take`, `takeIdle` |
/// | busy | due | who gets the event before the owner has settled: `take` |
/// | busy | idle | the owner, after it has armed epoll: `settle` |
/// | due | busy | the owner, which then has the next request to serve: `settle` |
/// | busy, due | vacant | the owner: `vacate` |
final class ConnectionSlot: Sendable {
    /// What an event means to the thread that got it.
    enum Taking {
        /// The connection is now this thread's.
        case mine
        /// Its owner is about to settle, and will see that there is a request.
        case leftToOwner
        /// The event is of an earlier connection.
        case stale
    }

    private enum Phase: UInt64 {
        case vacant, idle, busy, due
    }

    /// The generation (upper 32 bits, from 1), which tells the connections of a slot apart, and the
    /// phase.
    private let state = Atomic<UInt64>(Phase.vacant.rawValue)
    /// Valid unless vacant.
    private let socket = Atomic<CInt>(-1)
    private let closableFromNanoseconds = Atomic<UInt64>(0)
    /// The last connection here whose peer has closed it.
    private let goneGeneration = Atomic<UInt32>(0)
    /// What the request under way wants done when its peer goes.
    private let action = Mutex<Action?>(nil)
    /// Whether there is one: most requests need not take the lock.
    private let hasAction = Atomic(false)

    private struct Action: Sendable {
        let generation: UInt32
        let run: @Sendable () -> Void
    }

    var descriptor: CInt { socket.load(ordering: .relaxed) }
    var isVacant: Bool { phase == .vacant }
    var isIdle: Bool { phase == .idle }
    /// From when on, while it is idle, another connection may have its place; on the owner's clock.
    var closableFrom: UInt64 { closableFromNanoseconds.load(ordering: .relaxed) }

    private var phase: Phase { Self.phase(of: state.load(ordering: .sequentiallyConsistent)) }

    /// A new connection, the caller's. Only one thread at a time may open slots.
    func open(_ descriptor: CInt) -> UInt32 {
        precondition(isVacant, "a slot holds one connection")
        let before = UInt32(state.load(ordering: .relaxed) >> 32)
        let generation = max(1, before &+ 1)  // Never 0, which is no connection's.
        socket.store(descriptor, ordering: .relaxed)
        state.store(Self.word(generation, .busy), ordering: .sequentiallyConsistent)
        return generation
    }

    /// What to do about an event of the connection `generation`.
    func take(_ generation: UInt32) -> Taking {
        while true {
            let word = state.load(ordering: .sequentiallyConsistent)
            guard UInt32(word >> 32) == generation else { return .stale }
            switch Self.phase(of: word) {
            case .idle: if move(word, to: .busy) { return .mine }
            case .busy: if move(word, to: .due) { return .leftToOwner }
            case .due, .vacant: return .stale
            }
        }
    }

    /// Takes the connection from epoll, whichever it is; false unless it is idle.
    func takeIdle() -> Bool {
        let word = state.load(ordering: .sequentiallyConsistent)
        return Self.phase(of: word) == .idle && move(word, to: .busy)
    }

    /// Called by the owner after it has armed epoll: true if the connection is idle now, false if
    /// its next request has come already, so that it is still the owner's.
    func settle(closableFrom: UInt64) -> Bool {
        closableFromNanoseconds.store(closableFrom, ordering: .relaxed)
        while true {
            let word = state.load(ordering: .sequentiallyConsistent)
            switch Self.phase(of: word) {
            case .busy: if move(word, to: .idle) { return true }
            case .due: if move(word, to: .busy) { return false }
            case .vacant, .idle: preconditionFailure("only its owner gives a connection back")
            }
        }
    }

    /// Called by the owner: the connection is gone.
    func vacate() {
        let word = state.load(ordering: .sequentiallyConsistent)
        let phase = Self.phase(of: word)
        precondition(phase == .busy || phase == .due, "only its owner ends a connection")
        socket.store(-1, ordering: .relaxed)
        state.store(Self.word(UInt32(word >> 32), .vacant), ordering: .sequentiallyConsistent)
    }

    // MARK: A peer that goes

    func isGone(_ generation: UInt32) -> Bool {
        goneGeneration.load(ordering: .sequentiallyConsistent) == generation
    }

    /// See `Peer`. Called by the owner.
    func whenGone(_ generation: UInt32, _ run: @escaping @Sendable () -> Void) {
        action.withLock { $0 = Action(generation: generation, run: run) }
        hasAction.store(true, ordering: .sequentiallyConsistent)
        // It may have gone before the action was there.
        if isGone(generation) { runAction(of: generation) }
    }

    /// Called by the owner.
    func forgetAction() {
        guard hasAction.load(ordering: .sequentiallyConsistent) else { return }
        hasAction.store(false, ordering: .sequentiallyConsistent)
        action.withLock { $0 = nil }
    }

    /// Called by the thread that hears of it.
    func peerIsGone(_ generation: UInt32) {
        let word = state.load(ordering: .sequentiallyConsistent)
        // Of an earlier connection: that one was closed here, too.
        guard UInt32(word >> 32) == generation else { return }
        goneGeneration.store(generation, ordering: .sequentiallyConsistent)
        runAction(of: generation)
    }

    private func runAction(of generation: UInt32) {
        let run = action.withLock { action in
            guard action?.generation == generation else { return nil as (@Sendable () -> Void)? }
            defer { action = nil }
            return action?.run
        }
        run?()
    }

    private func move(_ word: UInt64, to phase: Phase) -> Bool {
        state.compareExchange(
            expected: word, desired: Self.word(UInt32(word >> 32), phase),
            ordering: .sequentiallyConsistent
        ).exchanged
    }

    private static func word(_ generation: UInt32, _ phase: Phase) -> UInt64 {
        UInt64(generation) << 32 | phase.rawValue
    }

    private static func phase(of word: UInt64) -> Phase {
        // Two bits have no other value.
        Phase(rawValue: word & 3) ?? .vacant
    }
}
