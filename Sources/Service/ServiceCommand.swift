public import ArgumentParser
private import Glibc
public import Logging
private import Systemd

/// The command line that the three services share: `--check-config`, `--help` with the variables, `--version`.
public protocol ServiceCommand: ParsableCommand {
    /// What the service reads from its environment.
    associatedtype Configuration

    /// The settings that count from a restart on, whatever a reload reads.
    static var restartSettings: Set<String> { get }

    /// Whether only the configuration is to be checked.
    var checkConfig: Bool { get }

    /// Reads the configuration.
    static func configuration(from settings: Settings) throws(Settings.Flaw) -> Configuration

    /// What else than its settings must be right: asked by `--check-config` alone, since it may become right while the
    /// service runs.
    static func check(_ configuration: Configuration) throws(Settings.Flaw)

    /// Serves until it is told to stop (``Supervision/run(_:log:probe:apply:)``).
    ///
    /// - Throws: what keeps the service from starting, as an error whose description is one line.
    static func serve(
        _ configuration: Configuration, log: Logger, under supervision: Supervision<Configuration>
    ) throws

    /// The service's log level.
    static func logLevel(_ configuration: Configuration) -> Logger.Level
}

/// Pasarela's version.
public let pasarelaVersion = "0.1.0"

extension ServiceCommand {
    /// Nothing else.
    public static func check(_ configuration: Configuration) throws(Settings.Flaw) {}

    /// Reads the configuration, then serves. A bad configuration is one line and exit 78 (`EX_CONFIG`, sysexits.h);
    /// what keeps the service from starting otherwise is one line and exit 1.
    public func run() throws {
        ServiceSignals.block()
        DescriptorLimit.raise()
        let name = Self.configuration.commandName ?? "pasarela"
        let settings: Settings
        let configuration: Configuration
        do throws(Settings.Flaw) {
            (settings, configuration) = try Self.readConfiguration()
            if checkConfig { try Self.check(configuration) }
        } catch {
            let log = Logger(label: name) { _ in
                LogOutput.handler(identifier: name, level: .info)
            }
            if !checkConfig {
                log.critical("\(error.description)", metadata: .event(.configurationRefused))
                LogOutput.settle()
            } else if LogOutput.isJournal {
                // The unit's reload: the service goes on.
                log.error(
                    "reload refused, the old configuration stays: \(error.description)",
                    metadata: .event(.reloadRefused))
                LogOutput.settle()
            } else {
                Self.say("\(name): \(LogText.escaped(error.description))")
            }
            throw ExitCode(EX_CONFIG)
        }
        if checkConfig {
            if !LogOutput.isJournal { print("\(name): the configuration is good") }
            return
        }
        let level = Self.logLevel(configuration)
        let log = Logger(label: name) { _ in
            LogOutput.handler(identifier: name, level: level)
        }
        log.info("starting, version \(pasarelaVersion)", metadata: .event(.starting))
        var supervision: Supervision<Configuration>?
        do {
            let made = try Supervision<Configuration>(
                settings, restartSettings: Self.restartSettings,
                logLevel: { Self.logLevel($0) },
                read: { () throws(Settings.Flaw) in try Self.readConfiguration() })
            supervision = made
            try Self.serve(configuration, log: log, under: made)
            made.ended()
            log.info("stopped", metadata: .event(.stopped))
        } catch {
            log.critical("\(error)", metadata: .event(.failed))
            supervision?.turnAway(for: .seconds(2))
            LogOutput.settle()
            throw ExitCode(EXIT_FAILURE)
        }
    }

    private static func readConfiguration() throws(Settings.Flaw) -> (Settings, Configuration) {
        let settings = try Settings.ofProcess().withFile()
        try settings.refuseUnknown()
        return (settings, try Self.configuration(from: settings))
    }

    private static func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        // Nobody is left to tell where standard error is closed.
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
