/// A value of the label `status`: an HTTP status that the gateway answers with, or `otro`.
struct StatusLabel: Sendable, Hashable {
    /// The statuses that have a series each (docs/http-api.md; 499, nginx's own: the client left), ascending.
    static let known = [
        200, 202, 204, 303, 304, 400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 414, 429, 431,
        499, 500, 501, 503, 504, 505,
    ]

    /// Every value that there is; the last one is for statuses that are not among ``known``.
    static let names = known.map(String.init) + ["otro"]

    /// Those whose series are there from the start, at 0, so that the first of them is seen as an increase.
    static let alwaysShown = Set([200, 500, 503].map { StatusLabel($0).index })

    /// By status less 100: its place in ``names``.
    private static let places: [UInt8] = (100..<600).map { status in
        UInt8(known.firstIndex(of: status) ?? known.count)
    }

    /// The place in ``names``.
    let index: Int

    init(_ status: Int) {
        let isStatus = (100..<600).contains(status)
        index = isStatus ? Int(Self.places[status - 100]) : Self.known.count
    }
}
