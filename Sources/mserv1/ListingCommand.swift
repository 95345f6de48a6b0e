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

    static func serve(_ configuration: TreeDaemonConfiguration, log: Logger) throws {
        let daemon = TreeDaemon(configuration, log: log)
        let lister = FolderLister(configuration.tree)
        try daemon.serve(
            ListingProtocol.serviceName,
            ListingProtocol.handlers(
                page: { (call, query, request) throws(RPCError) in
                    try daemon.logged(call) { () throws(RPCError) in
                        try daemon.reading(for: call) { () throws(FileError) in
                            try lister.page(query, request)
                        }
                    }
                },
                stream: { (call, query, send) throws(RPCError) in
                    try daemon.logged(call) { () throws(RPCError) in
                        let notices = try daemon.reading(for: call) { () throws(FileError) in
                            try lister.stream(query, send: send)
                        }
                        return StreamEnd(isComplete: notices.isEmpty, notices: notices)
                    }
                }))
    }
}
