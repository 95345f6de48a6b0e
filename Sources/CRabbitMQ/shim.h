// librabbitmq, and what of it Swift can't call: each line says why it is here.
#ifndef PASARELA_CRABBITMQ_H
#define PASARELA_CRABBITMQ_H

#include <features.h>
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

// Variadic.
static inline amqp_rpc_reply_t crabbitmq_login(amqp_connection_state_t connection, const char *vhost,
                                               int frame_max, int heartbeat,
                                               const amqp_table_t *properties, const char *user,
                                               const char *password) {
    return amqp_login_with_properties(connection, vhost, 1, frame_max, heartbeat, properties,
                                      AMQP_SASL_METHOD_PLAIN, user, password);
}

// The unions in amqp_field_value_t and amqp_frame_t have no names to import.
static inline amqp_field_value_t crabbitmq_text(amqp_bytes_t text) {
    amqp_field_value_t value = {.kind = AMQP_FIELD_KIND_UTF8, .value = {.bytes = text}};
    return value;
}

static inline amqp_field_value_t crabbitmq_number(int64_t number) {
    amqp_field_value_t value = {.kind = AMQP_FIELD_KIND_I64, .value = {.i64 = number}};
    return value;
}

static inline amqp_field_value_t crabbitmq_truth(int truth) {
    amqp_field_value_t value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value = {.boolean = truth}};
    return value;
}

static inline amqp_field_value_t crabbitmq_table(amqp_table_t table) {
    amqp_field_value_t value = {.kind = AMQP_FIELD_KIND_TABLE, .value = {.table = table}};
    return value;
}

static inline amqp_method_number_t crabbitmq_method(const amqp_frame_t *frame) {
    return frame->payload.method.id;
}

static inline const void *crabbitmq_method_body(const amqp_frame_t *frame) {
    return frame->payload.method.decoded;
}

static inline uint64_t crabbitmq_body_bytes(const amqp_frame_t *frame) {
    return frame->payload.properties.body_size;
}

static inline const amqp_basic_properties_t *crabbitmq_properties(const amqp_frame_t *frame) {
    return (const amqp_basic_properties_t *)frame->payload.properties.decoded;
}

static inline amqp_bytes_t crabbitmq_body_part(const amqp_frame_t *frame) {
    return frame->payload.body_fragment;
}

// A netinet/tcp.h that Swift's Glibc module does not show.
static inline int crabbitmq_set_user_timeout(int socket, unsigned int milliseconds) {
    return setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
}

// Macros with casts.
static const amqp_method_number_t crabbitmq_ack = AMQP_BASIC_ACK_METHOD;
static const amqp_method_number_t crabbitmq_nack = AMQP_BASIC_NACK_METHOD;
static const amqp_method_number_t crabbitmq_return = AMQP_BASIC_RETURN_METHOD;
static const amqp_method_number_t crabbitmq_deliver = AMQP_BASIC_DELIVER_METHOD;
static const amqp_method_number_t crabbitmq_cancel = AMQP_BASIC_CANCEL_METHOD;
static const amqp_method_number_t crabbitmq_channel_close = AMQP_CHANNEL_CLOSE_METHOD;
static const amqp_method_number_t crabbitmq_connection_close = AMQP_CONNECTION_CLOSE_METHOD;
static const amqp_method_number_t crabbitmq_blocked = AMQP_CONNECTION_BLOCKED_METHOD;
static const amqp_method_number_t crabbitmq_unblocked = AMQP_CONNECTION_UNBLOCKED_METHOD;
static const uint8_t crabbitmq_method_frame = AMQP_FRAME_METHOD;
static const uint8_t crabbitmq_header_frame = AMQP_FRAME_HEADER;
static const uint8_t crabbitmq_body_frame = AMQP_FRAME_BODY;
static const amqp_flags_t crabbitmq_correlation_flag = AMQP_BASIC_CORRELATION_ID_FLAG;
static const amqp_flags_t crabbitmq_content_type_flag = AMQP_BASIC_CONTENT_TYPE_FLAG;
static const amqp_flags_t crabbitmq_delivery_mode_flag = AMQP_BASIC_DELIVERY_MODE_FLAG;
static const amqp_flags_t crabbitmq_expiration_flag = AMQP_BASIC_EXPIRATION_FLAG;
static const amqp_flags_t crabbitmq_message_id_flag = AMQP_BASIC_MESSAGE_ID_FLAG;
static const amqp_flags_t crabbitmq_app_id_flag = AMQP_BASIC_APP_ID_FLAG;

#endif
