import ArgumentParser
import Backlog
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
        version: pasarelaVersion,
        subcommands: [BacklogCommand.self])

    @Flag(help: "Check the configuration, say what is wrong with it, and exit.")
    var checkConfig = false

    @Flag(help: .hidden)
    var failPoints = false

    func validate() throws {
        guard failPoints else { return }
        for point in FailPoint.allCases { print(point.rawValue) }
        throw ExitCode.success
    }

    static func configuration(
        from settings: Settings
    ) throws(Settings.Flaw) -> GatewayConfiguration {
        try GatewayConfiguration(settings)
    }

    static func logLevel(_ configuration: GatewayConfiguration) -> Logger.Level {
        configuration.logLevel
    }

    static func serve(_ configuration: GatewayConfiguration, log: Logger) throws {
        if let failPoint = configuration.failPoint {
            _ = FailPoint.arm(failPoint)
            log.notice("kills itself at \(failPoint)")
        }
        // First of all: it says in one line that another gateway runs. Who connects meanwhile waits.
        let socket = try ListeningSocket(
            path: configuration.socketPath, mode: configuration.socketMode)
        do {
            try serve(configuration, on: socket, log: log)
        } catch {
            socket.unlink()
            throw error
        }
    }

    private static func serve(
        _ configuration: GatewayConfiguration, on socket: ListeningSocket, log: Logger
    ) throws {
        let daemons = Daemons(configuration, log: log)
        let answers = ListAnswers(
            daemons: daemons, seal: CursorSeal(key: configuration.cursorKey))
        var replaying = answers
        replaying.caller = .ticket
        let processor = TicketProcessor(answers: replaying, log: log)
        let backlog = try Backlog(configuration.tickets.backlog, log: log) { (_, request, id) in
            processor.attempt(request, of: id)
        }
        let tickets = TicketDesk(backlog: backlog, workers: configuration.workers)
        let handler = RequestHandler(
            daemons: daemons,
            lists: ListDesk(
                answers: answers, tickets: tickets, patience: configuration.patience,
                workers: configuration.workers),
            tickets: tickets, log: RequestLog(configuration, log), metrics: Metrics(),
            metricsAudience: configuration.metricsAudience)
        var responding = ResponderConfiguration()
        responding.workers = configuration.workers
        let responder = Responder(configuration: responding) { handler.response(to: $0) }
        let control = ControlServer(backlog: backlog, path: configuration.controlSocket)

        try backlog.start()
        for daemon in daemons.all {
            try daemon.watch.start(
                telling: .init(
                    tell: { backlog.tell(daemon.name, isWell: $0) },
                    hasWork: { backlog.hasWork(daemon.name) }))
        }
        try control.start()
        try responder.start(listeningOn: socket.descriptor)
        log.info("ready: answers at \(configuration.socketPath)")
        StopSignals.wait()
        log.info("stopping")
        socket.unlink()
        control.stop()
        backlog.endWaits()
        try stop(responder, daemons)
        backlog.stop()
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
