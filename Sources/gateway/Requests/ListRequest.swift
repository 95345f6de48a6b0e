/// A request for a list, as far as its answer depends on it: two that are equal may share one answer.
struct ListRequest: Hashable, Sendable {
    /// Which of the paths that answer with a list.
    enum Page: Hashable, Sendable {
        /// The root for people, folders first.
        case home
        case list
        case search
    }

    let page: Page
    /// As it came in, not decoded.
    let query: [UInt8]
    let form: Representation
    let language: Language

    /// The endpoint that the list is of.
    var endpoint: ListParameters.Endpoint {
        page == .search ? .search : .list
    }

    /// The request's parameters.
    ///
    /// - Throws: ``Problem`` of the first fault.
    func parameters() throws(Problem) -> ListParameters {
        guard page == .home else { return try ListParameters(query, of: endpoint, as: form) }
        try ParameterReader.refuseAll(query)
        return try ListParameters(Array("directorios_primero=true".utf8), of: .list, as: form)
    }

    /// Path and query, as a URI reference that a header may hold: what RFC 3986 does not allow is percent-encoded.
    var target: String {
        let path = page == .home ? "/" : endpoint.rawValue
        guard !query.isEmpty else { return path }
        var text = Array("\(path)?".utf8)
        for byte in query {
            switch byte {
            case 0x41...0x5A, 0x61...0x7A, 0x30...0x39: text.append(byte)
            case _ where "-._~:/?@!$&'()*+,;=%".utf8.contains(byte): text.append(byte)
            default: PercentCoding.append([byte], to: &text)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
