internal import CGRPC
internal import Synchronization

/// All that one call of a client needs of gRPC, kept for the next call: a queue, the operations,
/// and the cells that gRPC writes into.
///
/// `@unchecked Sendable`: used by one caller at a time, who has taken it from the channel's pool under the pool's mutex;
/// while it is in the pool the channel alone touches it (`connection`), with that mutex held. Only `cancel` comes from
/// other threads, and touches nothing but `current`.
final class ClientCall: @unchecked Sendable {
    /// What can be cancelled.
    private struct Current {
        var call: OpaquePointer?
        /// Tells the calls that are made with this one after the other apart.
        var serial: UInt64 = 0
        /// Somebody gave this call up.
        var isCancelled = false
        /// Set for good by `cancelForGood`, so that a cancel that comes before the call is
        /// honoured.
        var isOver = false
    }

    /// `OpaquePointer` is not `Sendable`, but `grpc_call_cancel` may come from any thread until the
    /// call is released: which happens after `call` was set to `nil` under this mutex.
    private let current = Mutex(Current())

    /// Its own: no other call's answers come by it. Only who has the call touches it, or the channel while it is idle.
    var connection: Connection?
    private let queue = PluckQueue()
    /// In this order: what is sent, its end, what is received, how it ended.
    private let operations = UnsafeMutablePointer<grpc_op>.allocate(capacity: Operation.count)
    private let sentMetadata = UnsafeMutablePointer<grpc_metadata>.allocate(
        capacity: RPCMetadata.entriesMax)
    private var sentMetadataCount = 0
    private let initialMetadata = UnsafeMutablePointer<grpc_metadata_array>.allocate(capacity: 1)
    private let trailingMetadata = UnsafeMutablePointer<grpc_metadata_array>.allocate(capacity: 1)
    private let answer = UnsafeMutablePointer<ByteBuffer?>.allocate(capacity: 1)
    private let status = UnsafeMutablePointer<grpc_status_code>.allocate(capacity: 1)
    private let details = UnsafeMutablePointer<grpc_slice>.allocate(capacity: 1)

    /// The last method's slice: callers mostly call the same one.
    private var method = ""
    private var methodSlice = grpc_empty_slice()

    /// Places in `operations`. The batches of a streaming call are runs of it.
    private enum Operation {
        static let sendMetadata = 0
        static let sendMessage = 1
        static let sendClose = 2
        static let receiveMetadata = 3
        static let receiveMessage = 4
        static let receiveStatus = 5
        static let count = 6
    }

    init() {
        _ = GRPCLibrary.started
        grpc_metadata_array_init(initialMetadata)
        grpc_metadata_array_init(trailingMetadata)
        answer.initialize(to: nil)
        status.initialize(to: GRPC_STATUS_UNKNOWN)
        details.initialize(to: grpc_empty_slice())
        operations.initialize(repeating: grpc_op(), count: Operation.count)
        operations[Operation.sendMetadata].op = GRPC_OP_SEND_INITIAL_METADATA
        operations[Operation.sendMessage].op = GRPC_OP_SEND_MESSAGE
        operations[Operation.sendClose].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT
        operations[Operation.receiveMetadata].op = GRPC_OP_RECV_INITIAL_METADATA
        operations[Operation.receiveMetadata].data.recv_initial_metadata.recv_initial_metadata =
            initialMetadata
        operations[Operation.receiveMessage].op = GRPC_OP_RECV_MESSAGE
        operations[Operation.receiveMessage].data.recv_message.recv_message = answer
        operations[Operation.receiveStatus].op = GRPC_OP_RECV_STATUS_ON_CLIENT
        operations[Operation.receiveStatus].data.recv_status_on_client.trailing_metadata =
            trailingMetadata
        operations[Operation.receiveStatus].data.recv_status_on_client.status = status
        operations[Operation.receiveStatus].data.recv_status_on_client.status_details = details
    }

    deinit {
        grpc_metadata_array_destroy(initialMetadata)
        grpc_metadata_array_destroy(trailingMetadata)
        grpc_slice_unref(methodSlice)
        operations.deallocate()
        sentMetadata.deallocate()
        initialMetadata.deallocate()
        trailingMetadata.deallocate()
        answer.deallocate()
        status.deallocate()
        details.deallocate()
    }

    /// Ends the call under way, if any, and each later one, as `cancelled`.
    func cancelForGood() {
        current.withLock { current in
            current.isOver = true
            if let call = current.call { grpc_call_cancel(call, nil) }
        }
    }

    /// Of the call under way, or the last one. For its caller.
    var serial: UInt64 { current.withLock { $0.serial } }

    /// Ends that call, if it is still under way, as `cancelled`.
    func cancel(_ serial: UInt64) {
        current.withLock { current in
            guard current.serial == serial, let call = current.call else { return }
            current.isCancelled = true
            grpc_call_cancel(call, nil)
        }
    }

    /// Sends one request and returns the one answer.
    func unary(
        _ request: borrowing ClientRequest, on connection: Connection
    ) throws(RPCError) -> [UInt8] {
        let call = try begin(request, on: connection)
        request.cancellation?.attach(self)
        defer {
            request.cancellation?.detach()
            end(call)
        }
        let tag = UnsafeMutableRawPointer(operations)
        let result = grpc_call_start_batch(call, operations, Operation.count, tag, nil)
        guard result == GRPC_CALL_OK else { throw refused(result) }
        _ = queue.pluck(tag)
        let answer = takeAnswer()
        try takeStatus(request.method, request.deadline)
        guard let answer else {
            throw RPCError(.internalError, "\(request.method): the server sent no answer")
        }
        return answer
    }

    /// Sends one request; the answers are taken by `next`, and in the end `endStream` is called.
    func beginStream(
        _ request: borrowing ClientRequest, on connection: Connection
    ) throws(RPCError) {
        let call = try begin(request, on: connection)
        let statusTag = UnsafeMutableRawPointer(operations + Operation.receiveStatus)
        let first = grpc_call_start_batch(
            call, operations + Operation.receiveStatus, 1, statusTag, nil)
        guard first == GRPC_CALL_OK else {
            end(call)
            throw refused(first)
        }
        request.cancellation?.attach(self)
        // All up to receiveMessage.
        let sent = grpc_call_start_batch(
            call, operations, Operation.receiveMessage, operations, nil)
        guard sent == GRPC_CALL_OK else {
            grpc_call_cancel(call, nil)
            _ = queue.pluck(statusTag)
            dropDetails()
            request.cancellation?.detach()
            end(call)
            throw refused(sent)
        }
        // It waits for the server's first word: `next` does, as long as it may.
        isBeginning = true
    }

    /// The batch that began the stream has not completed yet.
    private var isBeginning = false

    /// Waits for the batch that began the stream.
    private func awaitBeginning(by deadline: RPCDeadline) -> Bool {
        guard isBeginning else { return true }
        guard queue.pluck(operations, until: deadline.grpcTime) != nil else { return false }
        isBeginning = false
        return true
    }

    /// The stream's next answer; nil when there are no more.
    ///
    /// - Throws: `deadlineExceeded` when none has come by then: the stream has to be ended.
    func next(by deadline: RPCDeadline) throws(RPCError) -> [UInt8]? {
        guard let call = streamCall else { return nil }
        guard awaitBeginning(by: deadline) else {
            throw RPCError(.deadlineExceeded, "\(method): the server has not begun to answer")
        }
        let operation = operations + Operation.receiveMessage
        let started = grpc_call_start_batch(call, operation, 1, operation, nil)
        guard started == GRPC_CALL_OK else { throw refused(started) }
        if queue.pluck(operation, until: deadline.grpcTime) == nil {
            giveUp(call)
            _ = queue.pluck(operation)
            _ = takeAnswer()
            throw RPCError(.deadlineExceeded, "\(method): the server has said nothing for long")
        }
        return takeAnswer()
    }

    /// Ends the stream; one that has not come to its end is cancelled.
    ///
    /// - Throws: how the server ended it.
    func endStream(
        isOver: Bool, deadline: RPCDeadline, _ cancellation: RPCCancellation?
    ) throws(RPCError) {
        guard let call = streamCall else { return }
        if !isOver { giveUp(call) }
        _ = awaitBeginning(by: .none)
        _ = queue.pluck(operations + Operation.receiveStatus)
        defer {
            cancellation?.detach()
            end(call)
        }
        try takeStatus(method, deadline)
    }

    /// Ends the caller's own call: what comes of it is no sign of a server about to go.
    private func giveUp(_ call: OpaquePointer) {
        current.withLock { $0.isCancelled = true }
        grpc_call_cancel(call, nil)
    }

    /// The stream's call. Only its caller, by the way of `RPCStream`, begins and ends calls.
    private var streamCall: OpaquePointer? {
        let address = current.withLock { UInt(bitPattern: $0.call) }
        return OpaquePointer(bitPattern: address)
    }

    private func begin(
        _ request: borrowing ClientRequest, on connection: Connection
    ) throws(RPCError) -> OpaquePointer {
        guard let message = ByteBuffer.copying(request.message) else {
            throw RPCError(.internalError, "grpc_raw_byte_buffer_create gave nothing")
        }
        if method != request.method {
            grpc_slice_unref(methodSlice)
            method = request.method
            methodSlice = grpc_slice(copying: method)
        }
        let created = grpc_channel_create_call(
            connection.channel, nil, cgrpc_propagate_defaults, queue.pointer, methodSlice, nil,
            request.deadline.grpcTime, nil)
        guard let call = created else {
            grpc_byte_buffer_destroy(message)
            throw RPCError(.internalError, "grpc_channel_create_call gave nothing")
        }
        operations[Operation.sendMessage].data.send_message.send_message = message
        sendMetadata(request.metadata)
        initialMetadata.pointee.count = 0
        trailingMetadata.pointee.count = 0
        let address = UInt(bitPattern: call)
        current.withLock { current in
            current.call = OpaquePointer(bitPattern: address)
            current.serial += 1
            current.isCancelled = false
            if current.isOver { grpc_call_cancel(current.call, nil) }
        }
        return call
    }

    private func sendMetadata(_ metadata: RPCMetadata) {
        for entry in metadata.entries.prefix(RPCMetadata.entriesMax) {
            var pair = grpc_metadata()
            pair.key = grpc_slice(copying: entry.key)
            pair.value = grpc_slice(copying: entry.value)
            (sentMetadata + sentMetadataCount).initialize(to: pair)
            sentMetadataCount += 1
        }
        operations[Operation.sendMetadata].data.send_initial_metadata.count = sentMetadataCount
        operations[Operation.sendMetadata].data.send_initial_metadata.metadata = sentMetadata
    }

    private func end(_ call: OpaquePointer) {
        current.withLock { $0.call = nil }
        grpc_call_unref(call)
        grpc_byte_buffer_destroy(operations[Operation.sendMessage].data.send_message.send_message)
        for index in 0..<sentMetadataCount {
            grpc_slice_unref(sentMetadata[index].key)
            grpc_slice_unref(sentMetadata[index].value)
        }
        sentMetadataCount = 0
    }

    private func takeAnswer() -> [UInt8]? {
        guard let message = answer.pointee else { return nil }
        answer.pointee = nil
        return message.takeBytes()
    }

    private func takeStatus(_ method: String, _ deadline: RPCDeadline) throws(RPCError) {
        let code = RPCStatusCode(rawValue: status.pointee.rawValue)
        defer { dropDetails() }
        guard code != .ok else { return }
        let message = details.pointee.text
        guard code == .cancelled, !current.withLock({ $0.isOver || $0.isCancelled }) else {
            throw RPCError(code, message)
        }
        // A server ends calls at their deadline, too, and may be a moment faster.
        if deadline.hasPassed {
            throw RPCError(.deadlineExceeded, "\(method): \(message)")
        }
        // Whoever resets calls that it has not begun is a server about to go.
        throw RPCError(.unavailable, "\(method): given up by the server: \(message)")
    }

    private func dropDetails() {
        grpc_slice_unref(details.pointee)
        details.pointee = grpc_empty_slice()
    }

    /// gRPC refuses a batch only for a mistake in it.
    private func refused(_ result: grpc_call_error) -> RPCError {
        RPCError(.internalError, String(cString: grpc_call_error_to_string(result)))
    }
}

/// What a call sends.
struct ClientRequest: ~Copyable {
    let method: String
    let message: [UInt8]
    let metadata: RPCMetadata
    let deadline: RPCDeadline
    var cancellation: RPCCancellation?
}
