/// One method of a server, as gRPC knows it.
///
/// `@unchecked Sendable`: the handle is gRPC's, good for the server's life and never changed.
struct ServerMethod: @unchecked Sendable {
    let name: String
    /// `nil`: stands for each method that the server does not have.
    let handler: RPCHandler?
    let registration: UnsafeMutableRawPointer?
}
