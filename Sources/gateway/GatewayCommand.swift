import ArgumentParser
import FastCGI
import Logging
import Service
import Threads

/// `gateway`: answers HTTP requests that nginx passes on by FastCGI, and asks the daemons by gRPC.
@main
struct GatewayCommand: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway",
        abstract: "Answers Pasarela's HTTP API behind nginx.",
        discussion: GatewayConfiguration.table(.ofProcess()).text,
        version: pasarelaVersion)

    @Flag(help: "Check the configuration, say what is wrong with it, and exit.")
    var checkConfig = false

    static func configuration(
        from settings: Settings
    ) throws(Settings.Flaw) -> GatewayConfiguration {
        try GatewayConfiguration(settings)
    }

    static func logLevel(_ configuration: GatewayConfiguration) -> Logger.Level {
        configuration.logLevel
    }

    static func serve(_ configuration: GatewayConfiguration, log: Logger) throws {
        let seal = CursorSeal(key: configuration.cursorKey)
        let daemons = Daemons(configuration)
        let handler = RequestHandler(
            daemons: daemons, seal: seal, log: RequestLog(configuration, log),
            patience: configuration.patience)
        var responding = ResponderConfiguration()
        responding.workers = configuration.workers
        let responder = Responder(configuration: responding) { handler.response(to: $0) }
        let socket = try ListeningSocket(
            path: configuration.socketPath, mode: configuration.socketMode)
        try responder.start(listeningOn: socket.descriptor)
        log.info("ready: answers at \(configuration.socketPath)")
        StopSignals.wait()
        log.info("stopping")
        socket.unlink()
        try stop(responder, daemons)
        log.info("stopped")
    }

    /// Lets requests in flight end: first by themselves, then by cancelling what they wait for, so that each still
    /// gets an answer; at last their connections are cut.
    private static func stop(_ responder: Responder, _ daemons: Daemons) throws {
        let isOver = Monitor(false)
        let canceller = try WorkerThread(name: "canceller") {
            let end = MonotonicClock.now + Duration.seconds(4).wholeNanoseconds
            let isDone: Bool? = isOver.wait(until: end) { $0 ? true : nil }
            if isDone == nil { daemons.stop() }
        }
        responder.stop(within: .seconds(5))
        isOver.update(waking: .all) { $0 = true }
        canceller.join()
        daemons.stop()
    }
}
