/// Where the broker is, who we are to it, and whom we trust. Neither `description` nor a mirror shows the password.
public struct BrokerConfiguration: Sendable, Hashable {
    /// One host of the broker.
    public struct Host: Sendable, Hashable, CustomStringConvertible {
        /// A name, or an address without brackets.
        public let name: String
        /// TCP port.
        public let port: UInt16

        /// A host.
        public init(name: String, port: UInt16) {
            self.name = name
            self.port = port
        }

        /// As in a URL.
        public var description: String {
            name.contains(":") ? "[\(name)]:\(port)" : "\(name):\(port)"
        }
    }

    /// At least one, in the order written.
    public let hosts: [Host]
    /// AMQP's virtual host.
    public let virtualHost: String
    /// Whether the connection is TLS.
    public let isEncrypted: Bool
    /// The user's name; not shown either: some brokers' names are tokens.
    let user: String
    let password: String

    /// PEM file of whom we trust for TLS; the system's list where none is named.
    public var authorityFile = "/etc/ssl/certs/ca-certificates.crt"

    /// Whole seconds, 1…600: silence of twice as long ends a connection. The broker may want less.
    public var heartbeatSeconds = 10
    /// How long a host may take until it serves us: name, TCP, TLS, login.
    public var connectTime = Duration.seconds(5)
    /// How long a declaration, a subscription or an acknowledgement may take.
    public var callTime = Duration.seconds(5)

    /// Reads `amqp://USER:PASSWORD@HOST:PORT,HOST…/VHOST` or `amqps://…` (rabbitmq.com/uri-spec.html, and several
    /// hosts). User, password and virtual host are percent-decoded; absent ones are `guest`, `guest`, `/`; the ports
    /// 5672 and 5671. It takes no parameters after a `?`.
    ///
    /// - Parameter credentialsFile: a file with the line `USER:PASSWORD`, as it is; it wins over the URL's.
    /// - Throws: `configuration`; the message says which part is wrong and never shows any of it.
    public init(url: String, credentialsFile: String? = nil) throws(RabbitMQError) {
        let parts = try BrokerURL(url)
        hosts = parts.hosts
        virtualHost = parts.virtualHost
        isEncrypted = parts.isEncrypted
        if let credentialsFile {
            (user, password) = try Credentials.read(credentialsFile)
        } else {
            (user, password) = (parts.user, parts.password)
        }
    }
}

extension BrokerConfiguration: CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// The URL without user and password.
    public var description: String {
        let list = hosts.map(\.description).joined(separator: ",")
        return "\(isEncrypted ? "amqps" : "amqp")://\(list) \(RabbitMQError.line(virtualHost))"
    }

    /// As `description`.
    public var debugDescription: String { description }

    /// As `description`: `dump` shows no more.
    public var customMirror: Mirror { Mirror(self, children: ["": description]) }
}
