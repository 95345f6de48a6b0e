import Threads

/// Writes Prometheus's text format, version 0.0.4: families of samples, each with its help and its kind.
struct MetricsText {
    /// The kinds of families.
    enum Kind: String, Sendable {
        case counter
        case gauge
        case histogram
    }

    /// A label's name and value. Names are written in the source, values may be any text.
    typealias Label = (name: StaticString, value: String)

    private(set) var bytes: [UInt8] = []
    private var name = ""

    init() {
        bytes.reserveCapacity(32 * 1_024)
    }

    /// Begins a family; its samples follow.
    ///
    /// - Parameters:
    ///   - name: `pasarela_…`: of a counter with `_total`, of what has a unit with `_seconds` or `_bytes`.
    ///   - help: one line.
    mutating func family(_ name: String, _ kind: Kind, _ help: StaticString) {
        self.name = name
        append("# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n")
    }

    /// One sample of the family.
    mutating func sample(_ labels: [Label] = [], _ value: Int) {
        line("", labels, String(value))
    }

    /// One sample of the family, a time or a duration.
    mutating func sample(_ labels: [Label] = [], seconds: Duration) {
        line("", labels, Self.seconds(seconds))
    }

    /// The samples of one histogram of durations.
    ///
    /// - Parameters:
    ///   - bounds: the buckets' upper bounds, ascending.
    ///   - counts: how many fell into each bucket alone; the last: past all bounds.
    mutating func histogram(
        _ labels: [Label], bounds: [Duration], counts: [Int], sum: Duration
    ) {
        var total = 0
        for (index, count) in counts.enumerated() {
            total += count
            let bound = index < bounds.count ? Self.seconds(bounds[index]) : "+Inf"
            line("_bucket", labels + [("le", bound)], String(total))
        }
        line("_sum", labels, Self.seconds(sum))
        line("_count", labels, String(total))
    }

    private mutating func line(_ suffix: String, _ labels: [Label], _ value: String) {
        append(name)
        append(suffix)
        for (index, label) in labels.enumerated() {
            append("\(index == 0 ? "{" : ",")\(label.name)=\"")
            escape(label.value)
            append("\"")
        }
        append(labels.isEmpty ? " " : "} ")
        append(value)
        append("\n")
    }

    private mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    /// Of a label's value only backslash, quote and line feed are special.
    private mutating func escape(_ text: String) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): append("\\\\")
            case UInt8(ascii: "\""): append("\\\"")
            case UInt8(ascii: "\n"): append("\\n")
            default: bytes.append(byte)
            }
        }
    }

    /// Seconds with as many decimals as they need, exact to the nanosecond: `0.0025`.
    static func seconds(_ duration: Duration) -> String {
        let nanoseconds = duration.wholeNanoseconds
        let sign = nanoseconds < 0 ? "-" : ""
        let (whole, rest) = nanoseconds.magnitude.quotientAndRemainder(dividingBy: 1_000_000_000)
        guard rest > 0 else { return "\(sign)\(whole)" }
        let digits = String(rest)
        var decimals = String(repeating: "0", count: 9 - digits.count) + digits
        while decimals.last == "0" { decimals.removeLast() }
        return "\(sign)\(whole).\(decimals)"
    }
}
