/// The two languages that people are answered in.
enum Language: String, Sendable, Hashable, CaseIterable {
    case spanish = "es"
    case english = "en"

    /// Spanish, unless the client prefers English (RFC 9110, 12.5.4; basic filtering of RFC 4647).
    init(acceptLanguage header: String?) {
        guard let header else {
            self = .spanish
            return
        }
        let ranges = QualityList(header)?.items ?? []
        func quality(of language: String) -> Double {
            let named = ranges.filter { $0.value == language || $0.value.hasPrefix(language + "-") }
            if let best = named.map(\.quality).max() { return best }
            return ranges.first { $0.value == "*" }?.quality ?? 0
        }
        self = quality(of: "en") > quality(of: "es") ? .english : .spanish
    }
}

/// The same sentence in both languages.
struct Text: Sendable, Hashable {
    let spanish: String
    let english: String

    init(_ spanish: String, _ english: String) {
        self.spanish = spanish
        self.english = english
    }

    /// The sentence in one language.
    subscript(language: Language) -> String {
        language == .spanish ? spanish : english
    }
}
