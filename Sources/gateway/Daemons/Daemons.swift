import ArchiveProtocol
import FileModel
import RPC

/// The daemons as the gateway knows them: one channel each, a patience and a deadline.
final class Daemons: Sendable {
    let listing: Daemon
    let search: Daemon

    init(_ configuration: GatewayConfiguration) {
        listing = Daemon(
            name: "mserv1", service: ListingProtocol.serviceName,
            socket: configuration.mserv1Socket, configuration)
        search = Daemon(
            name: "mserv2", service: SearchProtocol.serviceName,
            socket: configuration.mserv2Socket, configuration)
    }

    /// Ends the channels: calls under way fail.
    func stop() {
        listing.channel.shutdown()
        search.channel.shutdown()
    }

    /// The page that a request asks for.
    func page(
        _ parameters: ListParameters, after place: ListPosition?, for request: RequestIdentity
    ) throws(Problem) -> EntryPage {
        let page = PageRequest(limit: parameters.limit, after: place)
        switch parameters.endpoint {
        case .list:
            return try listing.ask(for: request) { (channel, metadata, deadline) throws(RPCError) in
                try ListingProtocol.page(
                    parameters.query, page, from: channel, metadata: metadata, deadline: deadline)
            }
        case .search:
            return try search.ask(for: request) { (channel, metadata, deadline) throws(RPCError) in
                try SearchProtocol.page(
                    parameters.query, text: parameters.text, page, from: channel,
                    metadata: metadata, deadline: deadline)
            }
        }
    }
}
