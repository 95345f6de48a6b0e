import Backlog
import Testing

@testable import gateway

@Suite struct StatusLineTests {
    @Test func `an operator sees what is missing`() {
        var line = StatusLine(
            requests: 1, daemons: [("mserv1", true), ("mserv2", false)], figures: BacklogFigures())
        line.figures.waiting = ["mserv1": 1, "mserv2": 2]
        #expect(line.text == "1 request answered; mserv1 well; mserv2 absent; 3 tickets wait")
        line.figures.brokerState = .disconnected("no connection")
        line.figures.waiting = ["mserv1": 1]
        line.requests = 0
        #expect(
            line.text
                == "0 requests answered; mserv1 well; mserv2 absent; 1 ticket waits; RabbitMQ absent"
        )
    }
}
