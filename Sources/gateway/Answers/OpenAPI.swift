/// The API's description, OpenAPI 3.1.
enum OpenAPI {
    /// The document as bytes.
    static let document: [UInt8] = Array("{}\n".utf8)
}
