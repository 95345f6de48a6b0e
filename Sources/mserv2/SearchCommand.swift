import ArchiveProtocol
import ArgumentParser
import FileModel
import Logging
import NameIndex
import RPC
import Service
import TreeDaemon

/// `mserv2`: searches names in the tree, by gRPC on a Unix socket.
@main
struct SearchCommand: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "mserv2",
        abstract: "Searches names in a tree for Pasarela's gateway.",
        discussion: SearchConfiguration.table.text, version: pasarelaVersion)

    static let restartSettings = TreeDaemonConfiguration.restartSettings

    @Flag(help: "Check the configuration, say what is wrong with it, and exit.")
    var checkConfig = false

    static func configuration(
        from settings: Settings
    ) throws(Settings.Flaw) -> SearchConfiguration {
        try SearchConfiguration(settings)
    }

    static func logLevel(_ configuration: SearchConfiguration) -> Logger.Level {
        configuration.daemon.logLevel
    }

    static func check(_ configuration: SearchConfiguration) throws(Settings.Flaw) {
        try configuration.daemon.checkTree()
    }

    /// What a reload replaces.
    private struct Parts: Sendable {
        let daemon: TreeDaemon
        let searcher: TreeSearcher
        let sorting: SortBudget

        init(_ configuration: SearchConfiguration, log: Logger, after earlier: Parts? = nil) {
            daemon = TreeDaemon(configuration.daemon, log: log, after: earlier?.daemon)
            searcher = TreeSearcher(configuration.daemon.tree, budget: configuration.walkBudget)
            let bytesMax = configuration.daemon.sortBytesMax
            sorting = earlier?.sorting ?? SortBudget(bytesMax: bytesMax)
            sorting.bytesMax = bytesMax
        }
    }

    static func serve(
        _ configuration: SearchConfiguration, log: Logger,
        under supervision: Supervision<SearchConfiguration>
    ) throws {
        let first = Parts(configuration, log: log)
        let current = Replaceable(first)
        try first.daemon.serve(
            SearchProtocol.serviceName,
            SearchProtocol.handlers(
                page: { (call, query, text, request) throws(RPCError) in
                    let parts = current.value
                    return try parts.daemon.logged(call) { () throws(RPCError) in
                        try parts.daemon.reading(for: call) { () throws(FileError) in
                            try parts.searcher.page(
                                query, text: text, request, remaining: call.deadline.remaining,
                                isCancelled: { call.isCancelled })
                        }
                    }
                },
                stream: { (call, query, text, order, send) throws(RPCError) in
                    let parts = current.value
                    return try parts.daemon.logged(call, isStream: true) { () throws(RPCError) in
                        let end = try parts.daemon.reading(for: call) { () throws(FileError) in
                            try parts.searcher.stream(
                                query, text: text, in: order, within: parts.sorting,
                                isCancelled: { call.isCancelled }, send: send)
                        }
                        return StreamEnd(isComplete: end.isComplete, notices: end.notices)
                    }
                }),
            as: "mserv2", under: supervision, status: { current.value.daemon.status() }
        ) { current.replace(with: Parts($0, log: $1, after: first)) }
    }
}
