import FileModel
import Glibc
import TestSupport
import Testing

@Suite struct TimestampTests {
    private static func text(_ seconds: Int64, _ nanoseconds: UInt32) -> String? {
        var text: [UInt8] = []
        let isWritten = Timestamp(seconds: seconds, nanoseconds: nanoseconds)
            .appendRFC3339(to: &text)
        #expect(isWritten || text.isEmpty)
        return isWritten ? String(decoding: text, as: UTF8.self) : nil
    }

    @Test(
        arguments: [
            (0, 0, "1970-01-01T00:00:00.000Z"),
            (-1, 999_999_999, "1969-12-31T23:59:59.999Z"),
            (1_795_170_667, 125_999_999, "2026-11-20T10:31:07.125Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.000Z"),
            (951_868_799, 999_999, "2000-02-29T23:59:59.000Z"),
            (4_107_542_399, 1_000_000, "2100-02-28T23:59:59.001Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000Z"),
            (-2_203_891_200, 0, "1900-03-01T00:00:00.000Z"),
            (253_402_300_799, 999_999_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800, 0, nil),
            (-62_167_219_200, 0, "0000-01-01T00:00:00.000Z"),
            (-62_167_219_201, 999_999_999, nil),
            (Int64.max, 0, nil), (Int64.min, 0, nil),
        ] as [(Int64, UInt32, String?)])
    func `a time is written in UTC with milliseconds rounded down`(
        seconds: Int64, nanoseconds: UInt32, text: String?
    ) {
        #expect(Self.text(seconds, nanoseconds) == text)
    }

    @Test func `any time has the date that the C library gives it`() throws {
        var random = SeededGenerator(announcedFor: "dates are those of the C library")
        for _ in 0..<50_000 {
            let seconds = Int64.random(in: -62_167_219_200...253_402_300_799, using: &random)
            let civil = try #require(Timestamp(seconds: seconds, nanoseconds: 0).civil)
            var time = time_t(seconds)
            var parts = tm()
            gmtime_r(&time, &parts)
            let isSame =
                civil.year == Int(parts.tm_year) + 1900 && civil.month == Int(parts.tm_mon) + 1
                && civil.day == Int(parts.tm_mday) && civil.hour == Int(parts.tm_hour)
                && civil.minute == Int(parts.tm_min) && civil.second == Int(parts.tm_sec)
            try #require(isSame, "\(seconds): \(civil)")
        }
    }
}
