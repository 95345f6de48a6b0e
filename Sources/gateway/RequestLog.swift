import FastCGI
import Logging
import Service

/// One line for each failed or slow request, and for each request when asked for. Of those that failed by the client's own
/// fault, as many as a ``LineBudget`` has.
struct RequestLog: Sendable {
    private let log: Logger
    private let slowRequest: Duration
    private let logsAll: Bool
    private let budget: LineBudget

    init(_ configuration: GatewayConfiguration, _ log: Logger, budget: LineBudget) {
        self.budget = budget
        self.log = log
        slowRequest = configuration.slowRequest
        logsAll = configuration.logRequests
    }

    /// Notes how a request ended.
    func note(
        _ request: Request, _ identity: RequestIdentity, route: Route?, status: Int,
        problem: Problem?, cause: String?, duration: Duration
    ) {
        // A request that became a ticket has waited on purpose.
        let isSlow = duration >= slowRequest && status != 202
        // Clients leave all the time.
        guard (status >= 400 && status != 499) || isSlow || logsAll else { return }
        var omitted = 0
        // What clients can cause at will.
        if (400..<500).contains(status) || problem?.code == .overload, !logsAll {
            guard let before = budget.line() else { return }
            omitted = before
        }
        var metadata = fields(
            request, identity, route, status: status, duration: duration, omitted: omitted)
        var message = Self.what(request, route, status: status)
        if let problem {
            metadata["ERROR_TYPE"] = "\(problem.code.rawValue)"
            message += ": \(problem.code.rawValue)"
            if let parameter = problem.parameter { message += " (\(parameter))" }
        } else if isSlow {
            message += ": slow"
        }
        if let cause { message += ": \(cause)" }
        message += Self.omission(omitted)
        log.log(level: level(status), "\(message)", metadata: metadata)
    }

    /// Notes how a list ended that was answered line by line. How long it took was its client's choice.
    func note(
        _ request: Request, _ identity: RequestIdentity, route: Route?,
        _ outcome: ListStream.Outcome, entries: Int, duration: Duration
    ) {
        var level = Logger.Level.info
        var omitted = 0
        let end: String
        switch outcome {
        case .whole:
            guard logsAll else { return }
            end = "\(entries) entries"
        case .clientGone:
            guard logsAll else { return }
            end = "the client left after \(entries) entries"
        case .clientStalled:
            guard let before = budget.line() else { return }
            omitted = before
            end = "the client has read nothing for long, after \(entries) entries"
        case .cutOff(let cause):
            level = .warning
            end = "cut off after \(entries) entries: \(cause)"
        }
        let status = 200
        let what = Self.what(request, route, status: status)
        log.log(
            level: level, "\(what): \(end)\(Self.omission(omitted))",
            metadata: fields(
                request, identity, route, status: status, duration: duration, omitted: omitted))
    }

    private static func what(_ request: Request, _ route: Route?, status: Int) -> String {
        "\(status) \(request.method) \(route?.name ?? "-")"
    }

    private static func omission(_ count: Int) -> String {
        count > 0 ? " (\(count) such lines were left out before)" : ""
    }

    /// What every line has.
    private func fields(
        _ request: Request, _ identity: RequestIdentity, _ route: Route?, status: Int,
        duration: Duration, omitted: Int
    ) -> Logger.Metadata {
        var fields: Logger.Metadata = [
            "REQUEST_ID": "\(identity.id)",
            "HTTP_REQUEST_METHOD": "\(request.method)",
            "HTTP_ROUTE": "\(route?.name ?? "-")",
            "HTTP_RESPONSE_STATUS_CODE": "\(status)",
            "DURATION_US": "\(duration.wholeMicroseconds)",
        ]
        if let trace = identity.traceID { fields["TRACE_ID"] = "\(trace)" }
        if omitted > 0 { fields["LINES_OMITTED"] = "\(omitted)" }
        return fields
    }

    private func level(_ status: Int) -> Logger.Level {
        switch status {
        case 500: .error
        case 501...: .warning
        default: .info
        }
    }
}
