/// A file's time: seconds since 1970-01-01T00:00:00Z (may be negative) and nanoseconds after that (0…999,999,999).
public struct Timestamp: Sendable, Hashable {
    /// Whole seconds, rounded down.
    public let seconds: Int64
    /// 0…999,999,999.
    public let nanoseconds: UInt32

    /// A time as `statx` gives it.
    public init(seconds: Int64, nanoseconds: UInt32) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// The civil date of a time, in UTC (proleptic Gregorian calendar).
    public struct Civil: Sendable, Hashable {
        /// The year, 0…9999.
        public let year: Int
        /// 1…12.
        public let month: Int
        /// 1…31.
        public let day: Int
        /// 0…23.
        public let hour: Int
        /// 0…59.
        public let minute: Int
        /// 0…59.
        public let second: Int
    }

    /// The date in UTC, or nil outside the years 0…9999, which RFC 3339 can't write.
    ///
    /// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    public var civil: Civil? {
        // 0000-01-01T00:00:00Z … 9999-12-31T23:59:59Z.
        guard (-62_167_219_200...253_402_300_799).contains(seconds) else { return nil }
        var days = Int(seconds / 86_400)
        var rest = Int(seconds % 86_400)
        if rest < 0 {
            rest += 86_400
            days -= 1
        }
        days += 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return Civil(
            year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month: month,
            day: dayOfYear - (153 * shifted + 2) / 5 + 1,
            hour: rest / 3_600, minute: rest / 60 % 60, second: rest % 60)
    }

    /// Appends the time as RFC 3339 in UTC with three decimals, rounded down: `2026-11-20T10:31:07.125Z`.
    ///
    /// - Returns: false, and nothing is appended, outside the years 0…9999.
    public func appendRFC3339(to text: inout [UInt8]) -> Bool {
        guard let time = rfc3339 else { return false }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: RFC3339Text.count) { buffer in
            guard let place = buffer.baseAddress else { return }
            time.write(to: place)
            text.append(contentsOf: buffer)
        }
        return true
    }

    /// The time as RFC 3339 writes it; nil outside the years 0…9999.
    public var rfc3339: RFC3339Text? {
        civil.map { RFC3339Text(civil: $0, milliseconds: nanoseconds / 1_000_000) }
    }
}

/// A time that can be written as ``Timestamp/appendRFC3339(to:)`` does.
public struct RFC3339Text: Sendable {
    /// Its length in bytes.
    public static let count = 24

    fileprivate let civil: Timestamp.Civil
    fileprivate let milliseconds: UInt32

    /// Writes ``count`` bytes.
    public func write(to place: UnsafeMutablePointer<UInt8>) {
        @inline(__always)
        func two(_ value: UInt32, at index: Int) {
            let tens = value / 10
            place[index] = UInt8(truncatingIfNeeded: 0x30 + tens)
            place[index + 1] = UInt8(truncatingIfNeeded: 0x30 + value - tens * 10)
        }
        let year = UInt32(truncatingIfNeeded: civil.year)
        two(year / 100, at: 0)
        two(year % 100, at: 2)
        place[4] = UInt8(ascii: "-")
        two(UInt32(truncatingIfNeeded: civil.month), at: 5)
        place[7] = UInt8(ascii: "-")
        two(UInt32(truncatingIfNeeded: civil.day), at: 8)
        place[10] = UInt8(ascii: "T")
        two(UInt32(truncatingIfNeeded: civil.hour), at: 11)
        place[13] = UInt8(ascii: ":")
        two(UInt32(truncatingIfNeeded: civil.minute), at: 14)
        place[16] = UInt8(ascii: ":")
        two(UInt32(truncatingIfNeeded: civil.second), at: 17)
        place[19] = UInt8(ascii: ".")
        place[20] = UInt8(truncatingIfNeeded: 0x30 + milliseconds / 100)
        two(milliseconds % 100, at: 21)
        place[23] = UInt8(ascii: "Z")
    }
}
