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

    static let restartSettings: Set<String> = [
        "PASARELA_RUNTIME_DIR", "PASARELA_GATEWAY_SOCKET", "PASARELA_CONTROL_SOCKET",
        "PASARELA_MSERV1_SOCKET", "PASARELA_MSERV2_SOCKET", "PASARELA_SOCKET_MODE",
        "PASARELA_PEERS", "PASARELA_WORKERS", "PASARELA_STREAMS", "PASARELA_WRITE_TIMEOUT",
        "PASARELA_STATE_DIR", "PASARELA_BACKLOG_TICKETS",
        "PASARELA_BACKLOG_BYTES", "PASARELA_TICKET_ATTEMPTS", "PASARELA_TICKET_LIFE",
        "PASARELA_ANSWER_LIFE", "PASARELA_TRACE_LIFE", "PASARELA_REPLAY_RATE",
        "PASARELA_LOG_LEVEL",
    ]

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

    static func serve(
        _ configuration: GatewayConfiguration, log: Logger,
        under supervision: Supervision<GatewayConfiguration>
    ) throws {
        if let failPoint = configuration.failPoint {
            _ = FailPoint.arm(failPoint)
            log.notice("kills itself at \(failPoint)")
        }
        // First of all: it says in one line that another gateway runs. Who connects meanwhile waits.
        let socket = try supervision.socket(
            "gateway", path: configuration.socketPath, mode: configuration.socketMode)
        do {
            try serve(configuration, on: socket, log: log, under: supervision)
        } catch {
            socket.unlink()
            throw error
        }
    }

    private static func serve(
        _ configuration: GatewayConfiguration, on socket: ListeningSocket, log: Logger,
        under supervision: Supervision<GatewayConfiguration>
    ) throws {
        let daemons = Daemons(configuration, log: log)
        let makeProcessor = { (configuration: GatewayConfiguration, log: Logger) in
            var replaying = ListAnswers(
                daemons: daemons, seal: CursorSeal(key: configuration.cursorKey))
            replaying.caller = .ticket
            return TicketProcessor(answers: replaying, log: log)
        }
        let processor = Replaceable(makeProcessor(configuration, log))
        let backlog = try Backlog(configuration.tickets.backlog, log: log) { (_, request, id) in
            processor.value.attempt(request, of: id)
        }
        let tickets = TicketDesk(backlog: backlog, workers: configuration.workers)
        let metrics = Metrics()
        let workers = configuration.workers
        let budget = LineBudget()
        let streamPlaces = StreamPlaces(count: configuration.streams)
        // A reload makes another; requests under way end with the one that they began with.
        let makeHandler = { (configuration: GatewayConfiguration, log: Logger) in
            let answers = ListAnswers(
                daemons: daemons, seal: CursorSeal(key: configuration.cursorKey))
            return RequestHandler(
                daemons: daemons,
                lists: ListDesk(
                    answers: answers, tickets: tickets, patience: configuration.patience,
                    workers: workers),
                streams: StreamDesk(
                    answers: answers, places: streamPlaces, patience: configuration.patience,
                    life: configuration.streamLife),
                tickets: tickets, log: RequestLog(configuration, log, budget: budget),
                metrics: metrics,
                metricsAudience: configuration.metricsAudience)
        }
        let handler = Replaceable(makeHandler(configuration, log))
        var responding = ResponderConfiguration()
        // Two pools on one epoll: however many streams there are, so many workers are left to the others.
        responding.workers = configuration.workers + configuration.streams
        responding.streamWriteTimeout = configuration.writeTimeout
        responding.peers = configuration.peers.users
        let strangers = StrangerLog(log)
        let responder = Responder(configuration: responding, refused: { strangers.refused($0) }) {
            handler.value.response(to: $0)
        }
        let control = ControlServer(
            backlog: backlog,
            socket: try supervision.socket(
                "control", path: configuration.controlSocket, mode: ControlServer.mode,
                isVital: false),
            refused: { strangers.refused($0) })

        try backlog.start()
        for daemon in daemons.all {
            try daemon.watch.start(
                telling: .init(
                    tell: { backlog.tell(daemon.name, isWell: $0) },
                    hasWork: { backlog.hasWork(daemon.name) }))
        }
        try control.start()
        try responder.start(listeningOn: socket.descriptor)
        // nil: a change has failed, so none is.
        var inUse: TicketConfiguration? = configuration.tickets
        try supervision.run(
            "answers at \(configuration.socketPath)",
            status: {
                StatusLine(
                    requests: metrics.requestCount,
                    daemons: daemons.all.map { ($0.name, $0.watch.isWell) },
                    figures: backlog.figures()
                ).text
            }, log: log,
            probe: { OwnQuestion.isAnswered(at: configuration.socketPath) }
        ) { new, log in
            try changeBroker(
                to: new.tickets, from: &inUse, startedWith: configuration.tickets, of: backlog, log)
            for daemon in daemons.all { daemon.deadline = new.deadline }
            processor.replace(with: makeProcessor(new, log))
            handler.replace(with: makeHandler(new, log))
        }
        socket.unlink()
        control.stop()
        backlog.endWaits()
        try stop(responder, daemons)
        backlog.stop()
    }

    /// Another broker, other credentials, another key. To go with a broker instead of without, or the reverse, takes a
    /// restart; all else of the new configuration counts meanwhile.
    private static func changeBroker(
        to new: TicketConfiguration, from inUse: inout TicketConfiguration?,
        startedWith first: TicketConfiguration, of backlog: Backlog, _ log: Logger
    ) throws {
        guard (new.backlog.broker == nil) == (first.backlog.broker == nil) else {
            log.warning("from a restart on only: PASARELA_RABBITMQ_URL")
            return
        }
        guard let broker = new.backlog.broker else { return }
        // What is in use goes on without a break.
        if let inUse, new.usesSameBroker(as: inUse) { return }
        inUse = nil
        try backlog.use(broker)
        inUse = new
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
