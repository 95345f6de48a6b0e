internal import CGRPC

/// Owns a gRPC completion queue from which one thread at a time takes the completion it waits for.
/// Waiting is what makes the I/O of all connections go on, too.
final class PluckQueue {
    let pointer: OpaquePointer

    init() {
        _ = GRPCLibrary.started
        pointer = grpc_completion_queue_create_for_pluck(nil)
    }

    /// Every batch must have been plucked before.
    deinit {
        grpc_completion_queue_shutdown(pointer)
        let ever = gpr_inf_future(GPR_CLOCK_MONOTONIC)
        while grpc_completion_queue_pluck(pointer, nil, ever, nil).type != GRPC_QUEUE_SHUTDOWN {}
        grpc_completion_queue_destroy(pointer)
    }

    /// Blocks until the batch with that tag has completed.
    ///
    /// - Returns: whether it succeeded; `nil` when the deadline has passed first.
    func pluck(
        _ tag: UnsafeMutableRawPointer,
        until deadline: gpr_timespec = gpr_inf_future(GPR_CLOCK_MONOTONIC)
    ) -> Bool? {
        let event = grpc_completion_queue_pluck(pointer, tag, deadline, nil)
        return event.type == GRPC_OP_COMPLETE ? event.success != 0 : nil
    }
}
