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

    static func serve(_ configuration: SearchConfiguration, log: Logger) throws {
        let daemon = TreeDaemon(configuration.daemon, log: log)
        let searcher = TreeSearcher(configuration.daemon.tree, budget: configuration.walkBudget)
        try daemon.serve(
            SearchProtocol.serviceName,
            SearchProtocol.handlers(
                page: { (call, query, text, request) throws(RPCError) in
                    try daemon.logged(call) { () throws(RPCError) in
                        try daemon.reading(for: call) { () throws(FileError) in
                            try searcher.page(
                                query, text: text, request, remaining: call.deadline.remaining,
                                isCancelled: { call.isCancelled })
                        }
                    }
                },
                stream: { (call, query, text, send) throws(RPCError) in
                    try daemon.logged(call) { () throws(RPCError) in
                        let end = try daemon.reading(for: call) { () throws(FileError) in
                            try searcher.stream(
                                query, text: text, isCancelled: { call.isCancelled }, send: send)
                        }
                        return StreamEnd(isComplete: end.isComplete, notices: end.notices)
                    }
                }))
    }
}
