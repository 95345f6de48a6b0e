import ArchiveProtocol
import ArgumentParser
import FileModel
import Listing
import Logging
import RPC
import Service
import TreeDaemon

/// `mserv1`: lists folders of the tree, by gRPC on a Unix socket.
@main
struct ListingCommand: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "mserv1",
        abstract: "Lists folders of a tree for Pasarela's gateway.",
        discussion: TreeDaemonConfiguration.table(.ofProcess(), socket: \.mserv1Socket).text,
        version: pasarelaVersion)

    static let restartSettings = TreeDaemonConfiguration.restartSettings

    @Flag(help: "Check the configuration, say what is wrong with it, and exit.")
    var checkConfig = false

    static func configuration(
        from settings: Settings
    ) throws(Settings.Flaw) -> TreeDaemonConfiguration {
        try TreeDaemonConfiguration(settings, socket: \.mserv1Socket)
    }

    static func logLevel(_ configuration: TreeDaemonConfiguration) -> Logger.Level {
        configuration.logLevel
    }

    static func check(_ configuration: TreeDaemonConfiguration) throws(Settings.Flaw) {
        try configuration.checkTree()
    }

    /// What a reload replaces.
    private struct Parts: Sendable {
        let daemon: TreeDaemon
        let lister: FolderLister
        let sorting: SortBudget

        init(_ configuration: TreeDaemonConfiguration, log: Logger, after earlier: Parts? = nil) {
            daemon = TreeDaemon(configuration, log: log, after: earlier?.daemon)
            lister = FolderLister(configuration.tree)
            let bytesMax = configuration.sortBytesMax
            sorting = earlier?.sorting ?? SortBudget(bytesMax: bytesMax)
            sorting.bytesMax = bytesMax
        }
    }

    static func serve(
        _ configuration: TreeDaemonConfiguration, log: Logger,
        under supervision: Supervision<TreeDaemonConfiguration>
    ) throws {
        let first = Parts(configuration, log: log)
        let current = Replaceable(first)
        try first.daemon.serve(
            ListingProtocol.serviceName,
            ListingProtocol.handlers(
                page: { (call, query, request) throws(RPCError) in
                    let parts = current.value
                    return try parts.daemon.logged(call) { () throws(RPCError) in
                        try parts.daemon.reading(for: call) { () throws(FileError) in
                            try parts.lister.page(
                                query, request, isCancelled: { call.isCancelled })
                        }
                    }
                },
                stream: { (call, query, order, send) throws(RPCError) in
                    let parts = current.value
                    return try parts.daemon.logged(call, isStream: true) { () throws(RPCError) in
                        let notices = try parts.daemon.reading(for: call) {
                            () throws(FileError) in
                            try parts.lister.stream(
                                query, in: order, within: parts.sorting,
                                isCancelled: { call.isCancelled }, send: send)
                        }
                        return StreamEnd(isComplete: notices.isEmpty, notices: notices)
                    }
                }),
            as: "mserv1", under: supervision, status: { current.value.daemon.status() }
        ) { current.replace(with: Parts($0, log: $1, after: first)) }
    }
}
