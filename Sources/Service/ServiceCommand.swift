public import ArgumentParser
private import Glibc
public import Logging
private import Systemd

/// The command line that the three services share: `--check-config`, `--help` with the variables, `--version`.
public protocol ServiceCommand: ParsableCommand {
    /// What the service reads from its environment.
    associatedtype Configuration

    /// Whether only the configuration is to be checked.
    var checkConfig: Bool { get }

    /// Reads the configuration.
    static func configuration(from settings: Settings) throws(Settings.Flaw) -> Configuration

    /// Serves until a stop signal.
    ///
    /// - Throws: what keeps the service from starting, as an error whose description is one line.
    static func serve(_ configuration: Configuration, log: Logger) throws

    /// The service's log level.
    static func logLevel(_ configuration: Configuration) -> Logger.Level
}

/// Pasarela's version.
public let pasarelaVersion = "0.1.0"

extension ServiceCommand {
    /// Reads the configuration, then serves. A bad configuration is one line and exit 78 (`EX_CONFIG`, sysexits.h);
    /// what keeps the service from starting otherwise is one line and exit 1.
    public func run() throws {
        StopSignals.block()
        DescriptorLimit.raise()
        let name = Self.configuration.commandName ?? "pasarela"
        let configuration: Configuration
        do throws(Settings.Flaw) {
            let settings = Settings.ofProcess()
            try settings.refuseUnknown()
            configuration = try Self.configuration(from: settings)
        } catch {
            Self.say("\(name): \(error.description)")
            throw ExitCode(EX_CONFIG)
        }
        if checkConfig {
            print("\(name): the configuration is good")
            return
        }
        let level = Self.logLevel(configuration)
        let log = Logger(label: name) { _ in
            LogOutput.handler(identifier: name, level: level)
        }
        do {
            try Self.serve(configuration, log: log)
        } catch {
            log.critical("\(error)")
            throw ExitCode(EXIT_FAILURE)
        }
    }

    private static func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        // Nobody is left to tell where standard error is closed.
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
