import FileModel

/// Sizes, times and numbers as people read them.
enum PeopleText {
    /// `48 213` as `47,1 KB`: powers of 1,024, one decimal below 100.
    static func size(_ bytes: Int64, _ language: Language) -> String {
        let units = ["B", "KB", "MB", "GB", "TB", "PB", "EB"]
        var unit = 0
        var value = Double(bytes)
        while value >= 1_023.5, unit < units.count - 1 {
            value /= 1_024
            unit += 1
        }
        if unit == 0 || value >= 99.95 { return "\(Int(value.rounded())) \(units[unit])" }
        let tenths = Int((value * 10).rounded())
        let point = language == .spanish ? "," : "."
        return "\(tenths / 10)\(point)\(tenths % 10) \(units[unit])"
    }

    /// `1234567` as `1.234.567` (`1,234,567`).
    static func number(_ value: Int, _ language: Language) -> String {
        let digits = String(value)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 {
                text += language == .spanish ? "." : ","
            }
            text.append(digit)
        }
        return text
    }

    /// `20 nov 2026, 10:31`, in UTC.
    static func time(_ civil: Timestamp.Civil, _ language: Language) -> String {
        let months =
            language == .spanish
            ? ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"]
            : ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let day = "\(civil.day) \(months[civil.month - 1]) \(civil.year)"
        return "\(day), \(two(civil.hour)):\(two(civil.minute))"
    }
}
