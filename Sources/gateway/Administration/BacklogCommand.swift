import ArgumentParser
import Backlog
import Glibc
import RPC
import Service
import Systemd

/// `gateway backlog`: looks after the tickets of the running gateway, by asking it.
struct BacklogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backlog",
        abstract: "Looks after the tickets of the running gateway.",
        discussion: """
            Exit status: 0 done, 1 no such ticket (or it can not be retried), 69 no gateway runs, 70 the gateway could \
            not do it, 78 a PASARELA_ variable is wrong.
            """,
        subcommands: [List.self, Show.self, Retry.self, Purge.self])

    /// What a subcommand has to say.
    struct Report: Sendable, Hashable {
        /// For standard output.
        var text: String
        /// For standard error, so that it is not taken for a ticket.
        var note: String?
    }

    /// Why a subcommand did not do what it was to do.
    struct Failure: Error, Sendable, Hashable {
        /// One line for the operator.
        let message: String
        let status: CInt

        init(_ message: String, status: CInt) {
            self.message = message
            self.status = status
        }

        /// - Parameter path: where the gateway was looked for.
        init(_ error: RPCError, askedAt path: String) {
            switch error.code {
            case .notFound, .failedPrecondition, .invalidArgument:
                self.init(error.message, status: EXIT_FAILURE)
            case .unavailable:
                let installed = "/run/pasarela/gateway-control.sock"
                let hint =
                    geteuid() != 0 && path != installed && access(installed, F_OK) == 0
                    ? "; the one at \(installed) hears root only (sudo)" : ""
                self.init(
                    "no gateway answers at \(path) (PASARELA_CONTROL_SOCKET): \(error.message)\(hint)",
                    status: EX_UNAVAILABLE)
            case .deadlineExceeded:
                self.init(
                    "the gateway at \(path) does not answer in time", status: EX_UNAVAILABLE)
            default: self.init("the gateway could not do it: \(error)", status: EX_SOFTWARE)
            }
        }
    }
}

/// A subcommand of `gateway backlog`.
protocol BacklogSubcommand: ParsableCommand {
    /// Asks the gateway.
    func report(from client: BacklogClient) throws(RPCError) -> BacklogCommand.Report
}

extension BacklogSubcommand {
    /// Asks the gateway that some settings lead to.
    func report(_ settings: Settings) throws(BacklogCommand.Failure) -> BacklogCommand.Report {
        let path: String
        do throws(Settings.Flaw) {
            try settings.refuseUnknown()
            path = try settings.value(try SharedSettings(settings).controlSocket)
        } catch {
            throw BacklogCommand.Failure(error.description, status: EX_CONFIG)
        }
        do throws(RPCError) {
            return try report(from: BacklogClient(path: path))
        } catch {
            throw BacklogCommand.Failure(error, askedAt: path)
        }
    }

    func run() throws {
        do throws(BacklogCommand.Failure) {
            let report = try report(Settings.ofProcess())
            print(report.text, terminator: "")
            if let note = report.note { Self.say(note) }
        } catch {
            Self.say(error.message)
            throw ExitCode(error.status)
        }
    }

    private static func say(_ line: String) {
        let bytes = Array("gateway backlog: \(LogText.escaped(line))\n".utf8)
        // Nobody is left to tell where standard error is closed.
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
