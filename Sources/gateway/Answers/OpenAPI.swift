/// The API's description, OpenAPI 3.1: `openapi.json`, built into the executable.
enum OpenAPI {
    /// The document as bytes.
    static let document: [UInt8] = PackageResources.openapi_json
}
