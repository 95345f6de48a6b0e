internal import CLinux
internal import Glibc
internal import Synchronization

/// The sockets: the listener and every connection, all in one epoll that all workers wait on.
///
/// A kept connection between two requests lives here, never in a thread. Each wait takes one event,
/// and a connection's event is given once (`EPOLLONESHOT`), so one worker has it until it comes
/// back.
final class Connections: Sendable {
    /// A connection that the caller has, until it gives it to `keep` or `discard`.
    struct Held {
        fileprivate let index: Int
        fileprivate let generation: UInt32
        let descriptor: CInt
    }

    /// What a worker is woken for.
    enum Event {
        /// The listener has a connection.
        case arrival
        /// A connection has bytes. It is the caller's now.
        case bytes(Held)
        /// Nothing to do, or nothing came in time.
        case nothing
        /// The threads are to end.
        case end
    }

    /// What came of accepting.
    enum Acceptance {
        case done
        /// The new connection has bytes already. It is the caller's now.
        case bytes(Held)
        /// The listener is paused, for lack of a place or a descriptor, until a connection is given
        /// back or closed, or someone calls `resume`.
        case paused
    }

    private enum Phase: UInt8, AtomicRepresentable {
        case open
        /// No connection is accepted or kept any more; what has a request is served.
        case draining
        /// Nothing is served any more.
        case ended
    }

    /// Which places are taken. Held over accept4, epoll_ctl, shutdown and close, none of which
    /// waits here: so no number is used by another before its connection is out of its slot.
    private struct Membership {
        var vacant: [Int]
        var isListening = false
    }

    /// What epoll hands back: a slot's index and the generation, or for what is no connection one
    /// of these (their generation is 0).
    private enum Token {
        static let listener: UInt64 = 0
        static let end: UInt64 = 1

        static func connection(_ index: Int, _ generation: UInt32) -> UInt64 {
            UInt64(generation) << 32 | UInt64(index)
        }
    }

    private static let armed =
        EPOLLIN.rawValue | EPOLLRDHUP.rawValue | clinux_epolloneshot
    private static let hungUp = EPOLLHUP.rawValue | EPOLLERR.rawValue
    private static let peerClosed = EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue

    private let configuration: ResponderConfiguration
    private let refused: @Sendable (UInt32) -> Void
    private let sockets: Descriptors
    private let slots: [ConnectionSlot]
    private let firstByteNanoseconds: UInt64
    private let membership: Mutex<Membership>
    private let phase = Atomic(Phase.open)
    /// A copy of `isListening` that needs no lock.
    private let isPaused = Atomic(false)

    /// Owns `listener` from here on, also when it throws.
    init(
        listener: CInt, configuration: ResponderConfiguration,
        refused: @escaping @Sendable (UInt32) -> Void = { _ in }
    ) throws(FastCGIError) {
        self.configuration = configuration
        self.refused = refused
        sockets = try Descriptors(listener: listener)
        let range = 0..<configuration.connectionsMax
        let firstByte = min(configuration.readTimeout, .seconds(86_400))
        firstByteNanoseconds = UInt64(firstByte / .nanoseconds(1))
        slots = range.map { _ in ConnectionSlot() }
        membership = Mutex(Membership(vacant: range.reversed()))
        guard sockets.watch(sockets.end, EPOLLIN.rawValue, Token.end),
            sockets.watchFarewell(sockets.end, Token.end, isEnd: true),
            membership.withLock({ resume(&$0) })
        else { throw FastCGIError(.system, "epoll_ctl", systemError: errno) }
    }

    deinit {
        for slot in slots where !slot.isVacant { close(slot.descriptor) }
    }

    // MARK: Called by the workers

    /// Waits for one event; `milliseconds` -1 waits for ever.
    func wait(milliseconds: CInt) -> Event {
        guard let event = sockets.wait(milliseconds: milliseconds) else { return .nothing }
        switch event.data.u64 {
        case Token.listener: return .arrival
        case Token.end: return .end
        case let token:
            let index = Int(token & 0xffff_ffff)
            let generation = UInt32(token >> 32)
            guard case .mine = slots[index].take(generation) else { return .nothing }
            let held = Held(
                index: index, generation: generation, descriptor: slots[index].descriptor)
            // A peer that closed for good gets no answer any more, whatever it had asked for; one that only closed its
            // sending side may wait for the answer to what it had sent.
            let isGone =
                event.events & Self.hungUp != 0
                || (event.events & Self.peerClosed != 0
                    && !Descriptors.hasBytes(held.descriptor))
            if isGone || phase.load(ordering: .sequentiallyConsistent) == .ended {
                discard(held)
                return .nothing
            }
            return .bytes(held)
        }
    }

    /// Accepts one connection, if there is one.
    func acceptOne() -> Acceptance {
        var stranger: UInt32?
        // Told when the lock is free: a line of the log may wait.
        defer { if let stranger { refused(stranger) } }
        return membership.withLock { membership in
            guard membership.isListening else { return .done }
            // Several workers are woken for one arrival: who comes late must close nothing for it.
            if membership.vacant.isEmpty {
                guard sockets.hasArrival() else { return .done }
                guard closeOldestIdle(&membership) else {
                    pause(&membership)
                    return .paused
                }
            }
            var socket = sockets.accept()
            var failure = errno
            if socket < 0, Descriptors.isExhaustion(failure) {
                guard sockets.hasArrival() else { return .done }
                if closeOldestIdle(&membership) {
                    socket = sockets.accept()
                    failure = errno
                }
            }
            guard socket >= 0 else {
                // Another worker was faster, or the peer has gone again: nothing to do.
                if [EAGAIN, EINTR, ECONNABORTED, EPROTO].contains(failure) { return .done }
                pause(&membership)  // Else the listener would wake worker after worker.
                return .paused
            }
            if let peers = configuration.peers {
                let user = Descriptors.peerUser(socket)
                guard let user, peers.contains(user) else {
                    close(socket)
                    stranger = user ?? .max
                    return .done
                }
            }
            guard
                sockets.limit(
                    socket, read: configuration.readTimeout, write: configuration.writeTimeout),
                let index = membership.vacant.popLast()
            else {
                close(socket)
                return .done
            }
            let generation = slots[index].open(socket)
            let token = Token.connection(index, generation)
            guard sockets.watchFarewell(socket, token), sockets.watch(socket, Self.armed, token)
            else {
                drop(index, &membership)
                return .done
            }
            // Who connects is about to send: it has its time for that before it may be closed.
            if slots[index].settle(closableFrom: Self.now() + firstByteNanoseconds) { return .done }
            return .bytes(Held(index: index, generation: generation, descriptor: socket))
        }
    }

    /// Gives a connection back. False: its next request has come in meanwhile, so it is still the
    /// caller's.
    func keep(_ held: Held) -> Bool {
        let slot = slots[held.index]
        // What has come in is answered, also while the rest is being closed.
        if phase.load(ordering: .sequentiallyConsistent) == .draining,
            Descriptors.hasBytes(held.descriptor)
        {
            return false
        }
        guard phase.load(ordering: .sequentiallyConsistent) == .open,
            sockets.arm(
                held.descriptor, Self.armed, Token.connection(held.index, held.generation))
        else {
            discard(held)
            return true
        }
        // In this order: once it is idle, another thread may close it.
        guard slot.settle(closableFrom: Self.now()) else { return false }
        if isPaused.load(ordering: .sequentiallyConsistent) { resume() }
        // `drain` may have looked at the slot while it was busy still.
        if phase.load(ordering: .sequentiallyConsistent) != .open { closeIdle(held.index) }
        return true
    }

    /// Who is at the other end.
    func peer(of held: Held) -> Peer {
        Peer(slot: slots[held.index], generation: held.generation)
    }

    /// How long one write may wait from now on.
    func limitWrites(of held: Held, to time: Duration) {
        sockets.limit(held.descriptor, write: time)
    }

    /// Tells requests under way of peers that go, until the threads are to end. For one thread.
    func tellFarewells() {
        while true {
            switch sockets.awaitFarewell() {
            case nil: continue
            case Token.end: return
            case let token?:
                slots[Int(token & 0xffff_ffff)].peerIsGone(UInt32(token >> 32))
            }
        }
    }

    /// Closes a connection.
    func discard(_ held: Held) {
        membership.withLock { drop(held.index, &$0) }
    }

    /// Listens again after a pause.
    func resume() {
        _ = membership.withLock { resume(&$0) }
    }

    // MARK: Called by who stops

    /// Accepts nothing more and closes the idle connections, but for those whose next request has
    /// already come in.
    func drain() {
        membership.withLock { membership in
            phase.store(.draining, ordering: .sequentiallyConsistent)
            pause(&membership)
            announceIfDrained(membership)
        }
        for index in slots.indices { closeIdle(index) }
    }

    /// Waits until the last connection is gone after `drain`, until `deadline` at most.
    func awaitDrained(until deadline: ContinuousClock.Instant) {
        sockets.awaitDrained(until: deadline)
    }

    /// Shuts what is left (a worker that reads or writes it fails at once) and wakes the workers to
    /// end.
    func endWaiting() {
        membership.withLock { _ in
            phase.store(.ended, ordering: .sequentiallyConsistent)
            for slot in slots where !slot.isVacant {
                shutdown(slot.descriptor, CInt(SHUT_RDWR))
            }
        }
        Descriptors.signal(sockets.end)
    }

    // MARK: Parts; who passes `Membership` holds the lock

    @discardableResult
    private func resume(_ membership: inout Membership) -> Bool {
        guard phase.load(ordering: .sequentiallyConsistent) == .open, !membership.isListening else {
            return true
        }
        // Of the workers that wait, one is woken for a connection.
        membership.isListening = sockets.watch(
            sockets.listener, EPOLLIN.rawValue | clinux_epollexclusive, Token.listener)
        isPaused.store(!membership.isListening, ordering: .sequentiallyConsistent)
        return membership.isListening
    }

    private func pause(_ membership: inout Membership) {
        guard membership.isListening else { return }
        // An exclusive watch can't be modified: it is taken away and set again.
        sockets.unwatch(sockets.listener)
        membership.isListening = false
        isPaused.store(true, ordering: .sequentiallyConsistent)
    }

    /// The caller owns the connection of this slot.
    private func drop(_ index: Int, _ membership: inout Membership) {
        let descriptor = slots[index].descriptor
        slots[index].vacate()
        // A worker inside epoll_wait(2) that has just looked at the connection may hold the kernel's last reference to
        // it, for as long as it sleeps there (seen with Linux 6.18): after close(2) alone the peer would wait for an end.
        shutdown(descriptor, CInt(SHUT_RDWR))
        close(descriptor)
        membership.vacant.append(index)
        resume(&membership)
        announceIfDrained(membership)
    }

    private func announceIfDrained(_ membership: Membership) {
        if phase.load(ordering: .sequentiallyConsistent) != .open,
            membership.vacant.count == slots.count
        {
            Descriptors.signal(sockets.drained)
        }
    }

    /// Closes the connection of this slot if it is idle and no request of it has come in.
    private func closeIdle(_ index: Int) {
        membership.withLock { membership in
            _ = closeIdle(index, &membership)
        }
    }

    private func closeIdle(_ index: Int, _ membership: inout Membership) -> Bool {
        let slot = slots[index]
        // Idle or not, a connection is closed only under the lock: the number is the slot's.
        guard slot.isIdle, !Descriptors.hasBytes(slot.descriptor), slot.takeIdle() else {
            return false
        }
        drop(index, &membership)
        return true
    }

    /// Closes the connection that has been idle longest, of those with no request waiting: the
    /// eight oldest are tried. False if there is none.
    private func closeOldestIdle(_ membership: inout Membership) -> Bool {
        let now = Self.now()
        let idle = slots.indices.filter { slots[$0].isIdle }
            .map { (index: $0, since: slots[$0].closableFrom) }
            .filter { $0.since <= now }
            .sorted { $0.since < $1.since }
        for candidate in idle.prefix(8) where closeIdle(candidate.index, &membership) {
            return true
        }
        return false
    }

    /// Nanoseconds on a clock that only goes forward.
    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
