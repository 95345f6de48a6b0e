import FastCGI
import FileModel

/// In which form and language a client wants its answer.
struct Wishes: Sendable {
    let language: Language
    private let accept: String?
    private let namesFormat: Bool
    private let format: Representation?
    private let target: Target

    init(_ request: Request, _ target: Target) {
        language = Language(acceptLanguage: request.header("Accept-Language"))
        self.target = target
        accept = request.header("Accept")
        let values = Self.values(of: "formato", in: target.query)
        namesFormat = !values.isEmpty
        format = values.lazy.compactMap { Representation(rawValue: $0) }.first
    }

    /// The form of the answer: `formato` wins over `Accept`.
    ///
    /// - Parameter forms: those that there are.
    /// - Throws: ``Problem`` where nothing fits what `Accept` asks for and no `formato` is given.
    func form(
        among forms: [Representation] = Representation.ofDocuments
    ) throws(Problem) -> Representation {
        if let format { return format }
        // A `formato` that is none is told of among the parameters.
        if namesFormat { return .json }
        guard let accepted = Representation(accept: accept, among: forms) else {
            throw Problem(.notAcceptable)
        }
        return accepted
    }

    /// What was searched, for a page that lets people mend it.
    var query: String {
        Self.values(of: "q", in: target.query).first ?? ""
    }

    /// The form of a problem: what was wished for, where that is known.
    var problemForm: Representation {
        format ?? Representation(accept: accept, among: Representation.ofDocuments) ?? .json
    }

    /// The values of a parameter in a query, before anything else of it is judged.
    private static func values(of name: String, in query: [UInt8]) -> [String] {
        guard !query.isEmpty else { return [] }
        let start = Array("\(name)=".utf8)
        return query.split(separator: UInt8(ascii: "&")).compactMap { piece in
            guard let text = PercentCoding.decoded(piece, plusIsSpace: true),
                text.starts(with: start)
            else { return nil }
            return ShownText.string(text.dropFirst(start.count))
        }
    }
}
