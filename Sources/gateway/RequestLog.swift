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
        guard status >= 400 || isSlow || logsAll else { return }
        var omitted = 0
        if (400..<500).contains(status), !logsAll {
            guard let before = budget.line() else { return }
            omitted = before
        }
        var metadata: Logger.Metadata = [
            "REQUEST_ID": "\(identity.id)",
            "HTTP_REQUEST_METHOD": "\(request.method)",
            "HTTP_ROUTE": "\(route?.name ?? "-")",
            "HTTP_RESPONSE_STATUS_CODE": "\(status)",
            "DURATION_US": "\(duration.wholeMicroseconds)",
        ]
        if let trace = identity.traceID { metadata["TRACE_ID"] = "\(trace)" }
        var message = "\(status) \(request.method) \(route?.name ?? "-")"
        if let problem {
            metadata["ERROR_TYPE"] = "\(problem.code.rawValue)"
            message += ": \(problem.code.rawValue)"
            if let parameter = problem.parameter { message += " (\(parameter))" }
        } else if isSlow {
            message += ": slow"
        }
        if let cause { message += ": \(cause)" }
        if omitted > 0 {
            message += " (\(omitted) such lines were left out before)"
            metadata["LINES_OMITTED"] = "\(omitted)"
        }
        log.log(level: level(status), "\(message)", metadata: metadata)
    }

    private func level(_ status: Int) -> Logger.Level {
        switch status {
        case 500: .error
        case 501...: .warning
        default: .info
        }
    }
}
