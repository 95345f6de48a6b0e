internal import CRabbitMQ
internal import Glibc

extension RabbitMQError {
    /// A status of librabbitmq, which is never `AMQP_STATUS_OK` here.
    init(status: CInt, doing what: String) {
        let status = amqp_status_enum(status)
        let text = amqp_error_string2(CInt(status.rawValue)).map { String(cString: $0) } ?? ""
        let code: Code =
            switch status {
            case AMQP_STATUS_NO_MEMORY, AMQP_STATUS_TIMER_FAILURE: .system
            case AMQP_STATUS_HOSTNAME_RESOLUTION_FAILED: .unreachable
            case AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED, AMQP_STATUS_SSL_PEER_VERIFY_FAILED:
                .untrusted
            case AMQP_STATUS_TIMEOUT: .timedOut
            case AMQP_STATUS_CONNECTION_CLOSED, AMQP_STATUS_SOCKET_ERROR, AMQP_STATUS_TCP_ERROR,
                AMQP_STATUS_SOCKET_CLOSED, AMQP_STATUS_SSL_ERROR,
                AMQP_STATUS_SSL_CONNECTION_FAILED, AMQP_STATUS_HEARTBEAT_TIMEOUT:
                .closed
            default: .unexpected
            }
        self.init(code, "\(what): \(text)")
    }

    /// What a call that waits for the broker's answer ended with; nil: well.
    init?(reply: amqp_rpc_reply_t, doing what: String) {
        switch reply.reply_type {
        case AMQP_RESPONSE_NORMAL: return nil
        case AMQP_RESPONSE_LIBRARY_EXCEPTION:
            self.init(status: reply.library_error, doing: what)
        case AMQP_RESPONSE_SERVER_EXCEPTION:
            self.init(closing: reply.reply.id, reply.reply.decoded, doing: what)
        default: self.init(.closed, "\(what): the connection is gone")
        }
    }

    /// The broker closes the channel or the connection and says why.
    init(closing method: amqp_method_number_t, _ body: UnsafeRawPointer?, doing what: String) {
        var (number, text): (UInt16, String) = (0, "it does not say why")
        // The two have the same members but are different types.
        if method == crabbitmq_channel_close,
            let close = body?.assumingMemoryBound(to: amqp_channel_close_t.self).pointee
        {
            (number, text) = (close.reply_code, String(close.reply_text))
        } else if method == crabbitmq_connection_close,
            let close = body?.assumingMemoryBound(to: amqp_connection_close_t.self).pointee
        {
            (number, text) = (close.reply_code, String(close.reply_text))
        }
        let code: Code =
            switch CInt(number) {
            // NOT_ALLOWED is, among others, a virtual host that is not there.
            case AMQP_ACCESS_REFUSED, AMQP_NOT_ALLOWED: .refused
            case AMQP_PRECONDITION_FAILED: .mismatch
            case AMQP_CONNECTION_FORCED, AMQP_INTERNAL_ERROR, AMQP_RESOURCE_ERROR: .closed
            default: .unexpected
            }
        self.init(code, "\(what): the broker says \(number): \(text)")
    }
}
