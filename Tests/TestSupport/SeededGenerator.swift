private import Glibc

/// Random numbers that a seed repeats (S. Vigna, SplitMix64).
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    /// What it started from.
    public let seed: UInt64
    private var state: UInt64

    /// Numbers from a seed.
    public init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    /// Numbers from `SEED`, or else from a new seed, which is printed: `SEED=…` replays the test.
    public init(announcedFor test: String = #function) {
        let given = getenv("SEED").flatMap { UInt64(String(cString: $0)) }
        self.init(seed: given ?? UInt64.random(in: 1...UInt64(UInt32.max)))
        print("SEED=\(seed) \(test)")
    }

    /// The next number.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension SeededGenerator {
    /// A number in a range.
    public mutating func number(in range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &self)
    }

    /// True once in `count` times.
    public mutating func oneIn(_ count: Int) -> Bool {
        number(in: 1...count) == 1
    }

    /// One of the elements, of which there is at least one.
    public mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[number(in: 0...(elements.count - 1))]
    }

    /// Any bytes but those below `lowest`.
    public mutating func bytes(_ count: ClosedRange<Int>, from lowest: UInt8 = 0) -> [UInt8] {
        (0..<number(in: count)).map { _ in UInt8.random(in: lowest...255, using: &self) }
    }
}
