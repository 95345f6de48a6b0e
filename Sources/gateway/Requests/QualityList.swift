/// A list of values with qualities, as `Accept` and `Accept-Language` are (RFC 9110, 12.4.2).
struct QualityList {
    /// One value.
    struct Item: Hashable {
        /// In lower case: `text/html`, `en-gb`, `*`.
        let value: String
        /// Parameters before `q`, in lower case, as `name=value`.
        let parameters: [String]
        /// 0…1, in thousandths at the finest.
        let quality: Double
    }

    let items: [Item]

    /// Reads a list; nil where it can't be read.
    init?(_ header: String) {
        var items: [Item] = []
        for element in header.split(separator: ",") {
            let parts = element.split(separator: ";", omittingEmptySubsequences: false)
                .map { $0.trimmingBlanks.lowercased() }
            guard let value = parts.first else { return nil }
            if value.isEmpty, parts.count == 1 { continue }
            guard !value.isEmpty, value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                return nil
            }
            var parameters: [String] = []
            var quality = 1.0
            for part in parts.dropFirst() {
                if part.isEmpty { continue }
                if part.hasPrefix("q=") {
                    guard let value = Self.quality(part.dropFirst(2)) else { return nil }
                    quality = value
                    break  // What follows the weight are extensions that nobody uses.
                }
                parameters.append(part)
            }
            items.append(Item(value: value, parameters: parameters, quality: quality))
        }
        guard !items.isEmpty else { return nil }
        self.items = items
    }

    /// `qvalue`: 0 or 1 with up to three decimals.
    private static func quality(_ text: Substring) -> Double? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts[0] == "0" || parts[0] == "1" else { return nil }
        var thousandths = parts[0] == "1" ? 1_000 : 0
        if parts.count == 2 {
            guard parts[1].count <= 3, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) })
            else { return nil }
            let padded = parts[1] + String(repeating: "0", count: 3 - parts[1].count)
            thousandths += Int(padded) ?? 0
        }
        return thousandths <= 1_000 ? Double(thousandths) / 1_000 : nil
    }
}

extension Substring {
    /// Without the white space that HTTP allows around a value (RFC 9110, 5.6.3).
    var trimmingBlanks: Substring {
        var text = self
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
