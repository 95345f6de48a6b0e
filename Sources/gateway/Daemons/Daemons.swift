import ArchiveProtocol
import FileModel
import Logging
import RPC
import Threads

/// The daemons as the gateway knows them.
final class Daemons: Sendable {
    let listing: Daemon
    let search: Daemon

    init(_ configuration: GatewayConfiguration, log: Logger) {
        listing = Daemon(
            name: "mserv1", service: ListingProtocol.serviceName,
            socket: configuration.mserv1Socket, configuration, log: log)
        search = Daemon(
            name: "mserv2", service: SearchProtocol.serviceName,
            socket: configuration.mserv2Socket, configuration, log: log)
    }

    /// Both, in the order in which people are told of them.
    var all: [Daemon] { [listing, search] }

    /// The daemon that answers at an endpoint.
    func daemon(of endpoint: ListParameters.Endpoint) -> Daemon {
        switch endpoint {
        case .list: listing
        case .search: search
        }
    }

    /// Ends the channels: calls under way fail.
    func stop() {
        for daemon in all { daemon.stop() }
    }

    /// The page that a request asks for.
    func page(
        _ parameters: ListParameters, after place: ListPosition?, for request: RequestIdentity,
        by caller: Daemon.Caller, within limit: Duration?, cancellation: RPCCancellation? = nil
    ) throws(Problem) -> EntryPage {
        let page = PageRequest(limit: parameters.limit, after: place)
        return try daemon(of: parameters.endpoint).ask(for: request, by: caller, within: limit) {
            (channel, metadata, deadline) throws(RPCError) in
            switch parameters.endpoint {
            case .list:
                try ListingProtocol.page(
                    parameters.query, page, from: channel, metadata: metadata, deadline: deadline,
                    cancellation: cancellation)
            case .search:
                try SearchProtocol.page(
                    parameters.query, text: parameters.text, page, from: channel,
                    metadata: metadata, deadline: deadline, cancellation: cancellation)
            }
        }
    }

    /// The whole list that a request asks for, and its first piece: where there is one, the answer can be begun.
    ///
    /// - Parameters:
    ///   - place: what it starts behind.
    ///   - silence: how long the daemon may say nothing.
    ///   - life: how long the whole stream may take.
    func stream(
        _ parameters: ListParameters, after place: ListPosition?, for request: RequestIdentity,
        silence: Duration, life: Duration, cancellation: RPCCancellation?
    ) throws(Problem) -> (EntryStream, StreamPiece) {
        try daemon(of: parameters.endpoint).open(for: request, life: life) {
            (channel, metadata, deadline) throws(RPCError) in
            let order = parameters.streamOrder(after: place)
            let stream =
                switch parameters.endpoint {
                case .list:
                    try ListingProtocol.stream(
                        parameters.query, in: order, from: channel, metadata: metadata,
                        deadline: deadline, patience: silence, cancellation: cancellation)
                case .search:
                    try SearchProtocol.stream(
                        parameters.query, text: parameters.text, in: order, from: channel,
                        metadata: metadata, deadline: deadline, patience: silence,
                        cancellation: cancellation)
                }
            // Pieces without entries are signs of life: nothing is said to the client before the daemon can't refuse any more.
            while true {
                let piece = try stream.next(within: silence)
                if case .entries(let entries, _) = piece, entries.count == 0 { continue }
                return (stream, piece)
            }
        }
    }
}
