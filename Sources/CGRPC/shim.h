// The gRPC C core (Debian libgrpc-dev 1.51). `features.h` comes first: without it glibc's fd_set
// clashes with Swift's Glibc module in debug and sanitizer builds.
#ifndef PASARELA_CGRPC_H
#define PASARELA_CGRPC_H

#include <features.h>

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>

// GRPC_SLICE_START_PTR and GRPC_SLICE_LENGTH are macros. A small slice holds its bytes within
// itself: so by pointer, never by copy.
static inline const uint8_t *cgrpc_slice_bytes(const grpc_slice *slice) {
    return GRPC_SLICE_START_PTR(*slice);
}
static inline size_t cgrpc_slice_length(const grpc_slice *slice) {
    return GRPC_SLICE_LENGTH(*slice);
}

// Swift reads a member of a C union through a copy of the whole union.
static inline const grpc_slice_buffer *cgrpc_byte_buffer_slices(const grpc_byte_buffer *buffer) {
    return &buffer->data.raw.slice_buffer;
}

// Declared without a prototype, so Swift does not import them.
static inline grpc_channel_credentials *cgrpc_insecure_channel_credentials(void) {
    return grpc_insecure_credentials_create();
}
static inline grpc_server_credentials *cgrpc_insecure_server_credentials(void) {
    return grpc_insecure_server_credentials_create();
}

// GRPC_PROPAGATE_DEFAULTS is a macro of bit operations, which Swift does not import.
static const uint32_t cgrpc_propagate_defaults = GRPC_PROPAGATE_DEFAULTS;

#endif
