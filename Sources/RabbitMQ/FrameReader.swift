internal import CRabbitMQ
internal import Glibc

/// What the broker says by itself, once all its frames are there.
enum BrokerWord {
    case confirmed(tag: UInt64, upTo: Bool)
    case rejected(tag: UInt64, upTo: Bool)
    case returned(sequence: UInt64?, reason: String)
    case delivery(Delivery)
    case cancelled(String)
    case blocked(String)
    case unblocked
}

/// Puts frames together to words. A message's frames may come with pauses, and a wait may end between them.
struct FrameReader {
    private enum Message {
        case none
        case delivery(Delivery)
        case returned(reason: String)
    }

    private var message = Message.none
    private var returnedSequence: UInt64?
    private var bytesLeft: UInt64 = 0
    private var body: [UInt8] = []
    private var isTooLong = false

    /// Takes a frame, whose memory may be gone afterwards.
    ///
    /// - Returns: nil where more belongs to it, or where it says nothing of use.
    /// - Throws: what the broker closes the connection with.
    mutating func take(_ frame: amqp_frame_t) throws(RabbitMQError) -> BrokerWord? {
        var frame = frame
        switch frame.frame_type {
        case crabbitmq_method_frame:
            return try takeMethod(crabbitmq_method(&frame), crabbitmq_method_body(&frame))
        case crabbitmq_header_frame:
            return takeHeader(crabbitmq_body_bytes(&frame), crabbitmq_properties(&frame))
        case crabbitmq_body_frame:
            let part = crabbitmq_body_part(&frame)
            bytesLeft -= min(UInt64(part.len), bytesLeft)
            if !isTooLong {
                body += UnsafeRawBufferPointer(start: part.bytes, count: part.len)
            }
            return bytesLeft == 0 ? finished() : nil
        default:
            return nil
        }
    }

    private mutating func takeMethod(
        _ method: amqp_method_number_t, _ content: UnsafeRawPointer?
    ) throws(RabbitMQError) -> BrokerWord? {
        guard let content else { return nil }
        switch method {
        case crabbitmq_ack:
            let ack = content.load(as: amqp_basic_ack_t.self)
            return .confirmed(tag: ack.delivery_tag, upTo: ack.multiple != 0)
        case crabbitmq_nack:
            let nack = content.load(as: amqp_basic_nack_t.self)
            return .rejected(tag: nack.delivery_tag, upTo: nack.multiple != 0)
        case crabbitmq_return:
            let back = content.load(as: amqp_basic_return_t.self)
            message = .returned(
                reason: RabbitMQError.line("\(back.reply_code) \(String(back.reply_text))"))
            return nil
        case crabbitmq_deliver:
            let deliver = content.load(as: amqp_basic_deliver_t.self)
            message = .delivery(
                Delivery(
                    tag: deliver.delivery_tag, consumer: String(deliver.consumer_tag),
                    routingKey: String(deliver.routing_key),
                    isRedelivered: deliver.redelivered != 0, contentType: "", messageID: "",
                    applicationID: "", body: []))
            return nil
        case crabbitmq_cancel:
            return .cancelled(String(content.load(as: amqp_basic_cancel_t.self).consumer_tag))
        case crabbitmq_blocked:
            return .blocked(
                RabbitMQError.line(String(content.load(as: amqp_connection_blocked_t.self).reason)))
        case crabbitmq_unblocked:
            return .unblocked
        case crabbitmq_channel_close, crabbitmq_connection_close:
            throw RabbitMQError(closing: method, content, doing: "the connection was closed")
        default:
            return nil
        }
    }

    private mutating func takeHeader(
        _ bodyBytes: UInt64, _ properties: UnsafePointer<amqp_basic_properties_t>?
    ) -> BrokerWord? {
        body = []
        bytesLeft = bodyBytes
        isTooLong = bodyBytes > UInt64(OutgoingMessage.bodyBytesMax)
        if !isTooLong { body.reserveCapacity(Int(bodyBytes)) }
        switch message {
        case .none: break
        case .returned:
            returnedSequence = properties.flatMap {
                UInt64(Self.text($0, crabbitmq_correlation_flag, \.correlation_id))
            }
        case .delivery(let delivery):
            guard let properties else { break }
            message = .delivery(
                Delivery(
                    tag: delivery.tag, consumer: delivery.consumer,
                    routingKey: delivery.routingKey, isRedelivered: delivery.isRedelivered,
                    contentType: Self.text(
                        properties, crabbitmq_content_type_flag, \.content_type),
                    messageID: Self.text(properties, crabbitmq_message_id_flag, \.message_id),
                    applicationID: Self.text(properties, crabbitmq_app_id_flag, \.app_id),
                    body: []))
        }
        return bytesLeft == 0 ? finished() : nil
    }

    private static func text(
        _ properties: UnsafePointer<amqp_basic_properties_t>, _ flag: amqp_flags_t,
        _ field: KeyPath<amqp_basic_properties_t, amqp_bytes_t>
    ) -> String {
        properties.pointee._flags & flag == 0 ? "" : String(properties.pointee[keyPath: field])
    }

    private mutating func finished() -> BrokerWord? {
        defer {
            message = .none
            body = []
            returnedSequence = nil
        }
        switch message {
        case .none: return nil
        case .returned(let reason): return .returned(sequence: returnedSequence, reason: reason)
        case .delivery(let delivery):
            return .delivery(
                Delivery(
                    tag: delivery.tag, consumer: delivery.consumer,
                    routingKey: delivery.routingKey, isRedelivered: delivery.isRedelivered,
                    contentType: delivery.contentType, messageID: delivery.messageID,
                    applicationID: delivery.applicationID, body: body))
        }
    }
}
