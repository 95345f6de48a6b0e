/// How many tickets may be begun now, at a rate; at rest it fills to a tenth of a second's worth.
struct TokenBucket: Sendable {
    private let rate: Double
    private let capacity: Double
    private var tokens: Double
    private var filled: Int64

    /// - Parameters:
    ///   - rate: a second, at least 1.
    ///   - now: nanoseconds of a monotonic clock, as below.
    init(rate: Int, now: Int64) {
        self.rate = Double(max(rate, 1))
        capacity = max(self.rate / 10, 1)
        tokens = capacity
        filled = now
    }

    /// Takes up to a number of tokens.
    mutating func take(_ countMax: Int, now: Int64) -> Int {
        if now > filled {
            tokens = min(capacity, tokens + Double(now - filled) / 1e9 * rate)
            filled = now
        }
        let count = min(countMax, Int(tokens))
        tokens -= Double(count)
        return count
    }

    /// Gives back what was not used.
    mutating func giveBack(_ count: Int) {
        tokens = min(capacity, tokens + Double(count))
    }

    /// When the next one is there.
    func nextToken(now: Int64) -> Int64 {
        now + Int64(max(1 - tokens, 0) / rate * 1e9) + 1
    }
}
