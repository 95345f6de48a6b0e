/// The forms an answer can have.
enum Representation: String, Sendable, Hashable, CaseIterable {
    case json
    case html
    /// An entry a line.
    case ndjson
    /// A path a line.
    case text = "texto"

    /// The forms of all that is not a list.
    static let ofDocuments: [Representation] = [.json, .html]

    /// The media type that `Accept` names.
    var mediaType: String {
        switch self {
        case .json: "application/json"
        case .html: "text/html"
        case .ndjson: "application/x-ndjson"
        case .text: "text/plain"
        }
    }

    /// Whether a list comes line by line, and so may come whole.
    var isLines: Bool { self == .ndjson || self == .text }

    /// The form that a client prefers (RFC 9110, 12.5.1): for each form its most specific range counts; then the
    /// highest quality; then their order here. No or unreadable `Accept`: JSON. nil: nothing fits.
    ///
    /// - Parameter forms: those that there are.
    init?(accept header: String?, among forms: [Representation] = allCases) {
        guard let header, let list = QualityList(header),
            list.items.allSatisfy({ Self.isMediaRange($0.value) })
        else {
            self = .json
            return
        }
        let rated = forms.map { ($0, $0.quality(in: list)) }
        guard let best = rated.map(\.1).max(), best > 0,
            let first = rated.first(where: { $0.1 == best })
        else { return nil }
        self = first.0
    }

    /// `*/*`, `type/*` or `type/subtype`, of tokens (RFC 9110, 5.6.2).
    private static func isMediaRange(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] != "*" || parts[1] == "*" else { return false }
        return parts.allSatisfy { part in
            !part.isEmpty
                && part.utf8.allSatisfy { byte in
                    switch byte {
                    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                    }
                }
        }
    }

    private func quality(in list: QualityList) -> Double {
        let group = mediaType.prefix { $0 != "/" } + "/*"
        var best = (specificity: -1, quality: 0.0)
        for item in list.items {
            let specificity: Int
            switch item.value {
            case mediaType where item.parameters.isEmpty: specificity = 2
            case mediaType where item.parameters == ["charset=utf-8"]: specificity = 3
            case String(group) where item.parameters.isEmpty: specificity = 1
            case "*/*" where item.parameters.isEmpty: specificity = 0
            default: continue
            }
            if specificity > best.specificity { best = (specificity, item.quality) }
        }
        return best.quality
    }
}
