internal import Threads

/// When the tickets of one service may be processed: its daemon is well, something waits, the rate allows it. Pure but
/// for its clock, which it is given: nanoseconds of `CLOCK_MONOTONIC`.
struct ServiceGate: Sendable {
    /// What a thread is to do.
    enum Step: Sendable, Hashable {
        /// Take up to so many tickets.
        case take(Int)
        /// Look again when something has changed, or at this time.
        case wait(until: Int64?)
    }

    /// How many tickets a thread takes at a time.
    static let takeMax = 8
    /// After this the next ticket due is looked for again, whatever the clock on the wall has done.
    private static let lookAgain: Int64 = 1_000_000_000
    private static let shortestPause: Int64 = 50_000_000
    private static let longestPause: Int64 = 2_000_000_000
    /// How long the daemon is left alone when there is no place for its answers: twice as long each time.
    static let shortestHold: Int64 = 3_000_000_000
    static let longestHold: Int64 = 60_000_000_000

    private(set) var isWell = false
    /// Grows with each call that may let a thread go on.
    private(set) var version = 0
    private var bucket: TokenBucket
    private var mayHaveWork = true
    private var lookAt: Int64?
    private var pausedUntil: Int64 = 0
    private var pause: Int64 = Self.shortestPause
    /// For lack of place; 0: there is place.
    private var heldUntil: Int64 = 0
    private var hold: Int64 = Self.shortestHold
    /// How many are taken at a time: after a hold it begins with one.
    private var batch = Self.takeMax
    /// For lack of place for answers to others' tickets.
    private var offersHeldUntil: Int64 = 0

    init(rate: Int, now: Int64) {
        bucket = TokenBucket(rate: rate, now: now)
    }

    mutating func step(now: Int64) -> Step {
        guard isWell else { return .wait(until: nil) }
        if let lookAt, now >= lookAt { mayHaveWork = true }
        guard mayHaveWork else { return .wait(until: lookAt) }
        let closedUntil = max(pausedUntil, heldUntil)
        guard now >= closedUntil else { return .wait(until: closedUntil) }
        let count = bucket.take(batch, now: now)
        return count > 0 ? .take(count) : .wait(until: bucket.nextToken(now: now))
    }

    /// Whether a thread may go on with what it has taken.
    func isOpen(now: Int64) -> Bool { isWell && now >= pausedUntil && now >= heldUntil }

    /// Whether tickets of others are processed.
    func takesOffers(now: Int64) -> Bool {
        isWell && now >= heldUntil && now >= offersHeldUntil
    }

    /// Its daemon was looked at.
    ///
    /// - Returns: whether that is another word than before.
    @discardableResult
    mutating func told(isWell: Bool) -> Bool {
        guard isWell != self.isWell else { return false }
        self.isWell = isWell
        version += 1
        return true
    }

    /// Something came that may be processed.
    mutating func came() {
        mayHaveWork = true
        lookAt = nil
        version += 1
    }

    /// So many were there.
    ///
    /// - Parameters:
    ///   - seen: the version before they were looked for: what has come since is looked at, too.
    ///   - delay: in how many nanoseconds one that is paused may be due; nil: none is.
    mutating func took(_ count: Int, of allowed: Int, seen: Int, delay: Int64?, now: Int64) {
        bucket.giveBack(allowed - count)
        guard count == 0, version == seen else { return }
        mayHaveWork = false
        lookAt = delay.map { now + min(max($0, 1_000_000), Self.lookAgain) }
    }

    /// The daemon has too much to do.
    ///
    /// - Parameter jitter: 0…1.
    mutating func busy(jitter: Double, now: Int64) {
        pausedUntil = now + pause / 2 + Int64(Double(pause / 2) * jitter)
        pause = min(pause * 2, Self.longestPause)
        mayHaveWork = true
        version += 1
    }

    /// The daemon answered.
    mutating func answered() {
        pause = Self.shortestPause
    }

    // MARK: Place

    /// There was no place for an answer.
    ///
    /// - Returns: whether there was place before.
    mutating func held(now: Int64) -> Bool {
        // Several threads meet it at once: it counts once.
        guard now >= heldUntil else { return false }
        let isNew = hold == Self.shortestHold
        heldUntil = now + hold
        hold = min(hold * 2, Self.longestHold)
        batch = 1
        mayHaveWork = true
        version += 1
        return isNew
    }

    /// There was no place for an answer to another gateway's ticket.
    mutating func offersHeld(now: Int64) {
        offersHeldUntil = now + Self.shortestHold
    }

    /// An answer was kept.
    ///
    /// - Returns: whether the one before was not.
    mutating func kept() -> Bool {
        batch = min(batch * 2, Self.takeMax)
        guard hold > Self.shortestHold else { return false }
        hold = Self.shortestHold
        heldUntil = 0
        version += 1
        return true
    }

    /// There is more place than before.
    mutating func thereIsPlace() {
        offersHeldUntil = 0
        guard heldUntil != 0 else { return }
        heldUntil = 0
        mayHaveWork = true
        version += 1
    }
}
