internal import Synchronization
internal import Threads

/// Of the threads that answer calls one leads: it alone waits for gRPC, the others wait for its place.
///
/// With all of them in gRPC's queue, each call wakes a second thread, which polls in the place of the one that has got
/// the call: for nothing where calls come one after the other. Here the leader carries its call out itself, and keeps the
/// place meanwhile. It is passed on where there is work for two: with the next call, if that has come already; or after a moment, if the call takes long.
final class Lead: Sendable {
    /// What a thread is to do. It leads.
    enum Turn: Sendable {
        /// Wait for gRPC.
        case lead
        /// Carry this call out first.
        case carry(ServerSlot)
    }

    private enum Next: Sendable {
        case turn(Turn)
        case end
    }

    private struct State {
        var isVacant = true
        /// Passed on together with the place: whoever takes it leads.
        var handed: ServerSlot?
        /// The leader's next call. Only the leader takes it: this one or, when the place was taken away, the next.
        var kept: ServerSlot?
        var isClosed = false
    }

    private struct Watch {
        var isAwake = false
        var isClosed = false
    }

    private let state = Monitor(State())
    /// The call that the leader carries out, by number; 0: none.
    private let carried = Atomic<UInt64>(0)
    private let count = Atomic<UInt64>(0)
    /// Threads that carry a call out.
    private let busy = Atomic(0)
    private let threads: Int
    private let watch = Monitor(Watch())
    /// A copy of `isAwake` that needs no lock.
    private let isWatched = Atomic(false)

    /// A call takes long from the second look on that finds it: one to two milliseconds.
    private static let lookInterval = Duration.milliseconds(1)
    /// Looks without a new call after which nobody looks any more.
    private static let looksMax = 50

    /// - Parameter threads: how many take calls.
    init(threads: Int) {
        self.threads = threads
    }

    /// Waits for the place; nil: there will be no calls.
    func take() -> Turn? {
        let next: Next? = state.wait { state in
            if let slot = state.handed {
                state.handed = nil
                return .turn(.carry(slot))
            }
            if state.isClosed { return .end }
            guard state.isVacant else { return nil }
            state.isVacant = false
            return .turn(Self.next(&state))
        }
        guard case .turn(let turn) = next else { return nil }
        return turn
    }

    private static func next(_ state: inout State) -> Turn {
        defer { state.kept = nil }
        return state.kept.map { .carry($0) } ?? .lead
    }

    /// Carries out a call. While it does, the next one waits for this thread or for the one that takes its place.
    ///
    /// - Parameter next: the next call, if it has come already.
    /// - Returns: what to do then; nil as by ``take()``.
    func carry(next: ServerSlot?, _ call: () -> Void) -> Turn? {
        let others = busy.add(1, ordering: .relaxed).oldValue
        defer { busy.subtract(1, ordering: .relaxed) }
        if let next {
            // Not only while a core is free: a call may wait for the disk.
            guard others + 1 >= threads else {
                state.update(waking: .one) { $0.handed = next }
                call()
                return take()
            }
            state.update(waking: .none) { $0.kept = next }
        }
        let number = begin()
        call()
        guard goesOn(number) else { return take() }
        return next == nil ? .lead : state.update(waking: .none) { Self.next(&$0) }
    }

    /// The leader's call can be taken for a long one from here on; see ``goesOn(_:)``.
    private func begin() -> UInt64 {
        let number = count.add(1, ordering: .relaxed).newValue
        carried.store(number, ordering: .sequentiallyConsistent)
        // In this order: the one who looks goes to sleep in the reverse one.
        if !isWatched.load(ordering: .sequentiallyConsistent),
            !isWatched.exchange(true, ordering: .sequentiallyConsistent)
        {
            watch.update(waking: .one) { $0.isAwake = true }
        }
        return number
    }

    /// Ends what ``begin()`` began: whether the thread leads still, or the one who looked that took the place away.
    private func goesOn(_ number: UInt64) -> Bool {
        carried.compareExchange(
            expected: number, desired: 0, ordering: .sequentiallyConsistent
        ).exchanged
    }

    /// Nobody is to wait for the place any more.
    func close() {
        state.update(waking: .all) { $0.isClosed = true }
        watch.update(waking: .all) { $0.isClosed = true }
    }

    /// Takes the place from leaders whose calls take long, until it is closed. For one thread.
    func watchOver() {
        while true {
            let isOver: Bool? = watch.wait { watch in
                if watch.isClosed { return true }
                guard watch.isAwake else { return nil }
                watch.isAwake = false
                return false
            }
            if isOver != false || look() { return }
        }
    }

    /// Looks again and again, while calls come.
    ///
    /// - Returns: whether the place is closed.
    private func look() -> Bool {
        var seen: UInt64 = 0
        var counted: UInt64 = 0
        var looks = 0
        while true {
            let end = MonotonicClock.now + Self.lookInterval.wholeNanoseconds
            let isClosed: Bool? = watch.wait(until: end) { $0.isClosed ? true : nil }
            if isClosed != nil { return true }
            let now = carried.load(ordering: .sequentiallyConsistent)
            if now != 0, now == seen, goesOn(now) {
                state.update(waking: .one) { $0.isVacant = true }
            }
            seen = now
            let all = count.load(ordering: .relaxed)
            looks = all == counted ? looks + 1 : 0
            counted = all
            guard looks == Self.looksMax else { continue }
            isWatched.store(false, ordering: .sequentiallyConsistent)
            // A call that has begun meanwhile and has not woken this thread is seen here.
            if carried.load(ordering: .sequentiallyConsistent) == 0 { return false }
            isWatched.store(true, ordering: .sequentiallyConsistent)
            looks = 0
        }
    }
}
