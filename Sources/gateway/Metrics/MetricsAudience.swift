/// Who may read the figures.
enum MetricsAudience: String, Sendable, CaseIterable {
    /// Who asks from this machine.
    case loopback
    /// Everybody.
    case all

    /// Whether a client is among them.
    ///
    /// - Parameter address: as the web server gives it (`REMOTE_ADDR`, RFC 3875, 4.1.8).
    func includes(_ address: [UInt8]?) -> Bool {
        self == .all || ClientAddress(address) == .loopback
    }
}
