internal import Logging
internal import RabbitMQ
internal import Synchronization

/// How the broker stands, put together from both connections: told to the figures, and in one log line per change.
final class CourierStatus: Sendable {
    enum Side: Sendable { case publisher, consumer }

    private struct State {
        var publisher: String? = "not connected yet"
        var consumer: String? = "not connected yet"
        /// What the last line said; nil: none was written.
        var isConnected: Bool?
        /// Of an error that somebody has to do something about.
        var lastComplaint: String?
    }

    private let post: any CourierPost
    private let log: Logger
    private let state = Mutex(State())

    init(_ post: any CourierPost, _ log: Logger) {
        self.post = post
        self.log = log
    }

    /// This side is connected, and the broker does what it should.
    func serves(_ side: Side, _ host: BrokerConfiguration.Host) {
        change(side, nil, host: "\(host)")
    }

    /// This side is not.
    func failed(_ side: Side, _ error: RabbitMQError) {
        change(side, error.message, complaint: error.isRetriable ? nil : error.message)
    }

    private func change(
        _ side: Side, _ reason: String?, host: String = "", complaint: String? = nil
    ) {
        let isToTell = state.withLock { state in
            switch side {
            case .publisher: state.publisher = reason
            case .consumer: state.consumer = reason
            }
            let current = state.publisher ?? state.consumer
            post.report { $0.state = current.map { .disconnected($0) } ?? .connected }
            // Connected on one side only: the other has not had its say yet.
            guard reason != nil || current == nil else { return false }
            let isNew = state.isConnected != (current == nil)
            guard isNew || complaint != nil && complaint != state.lastComplaint else {
                return false
            }
            state.isConnected = current == nil
            state.lastComplaint = complaint
            return true
        }
        guard isToTell else { return }
        if let reason {
            log.warning(
                "RabbitMQ can't be used: \(reason).",
                metadata: ["BROKER_ERROR": "\(reason)", "EVENT_NAME": "broker_absent"])
        } else {
            log.notice(
                "RabbitMQ is in use.",
                metadata: ["SERVER_ADDRESS": "\(host)", "EVENT_NAME": "broker_back"])
        }
    }
}
