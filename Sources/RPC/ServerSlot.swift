internal import CGRPC
internal import Synchronization

/// A place for one call of a server: posted to gRPC, filled by it with a call, carried out, posted
/// again.
///
/// `@unchecked Sendable`: gRPC writes into the cells only while the slot is posted or a batch of it
/// is under way; between them one thread has it, and hands it over under a monitor. What a
/// handler's other threads may ask goes through `close`. The server owns all slots until gRPC has
/// given each back.
final class ServerSlot: @unchecked Sendable {
    /// What is known of the end of the call that the client made.
    private enum Close {
        /// gRPC has not been asked to tell.
        case unwatched
        /// It will be told by a completion on `queue`.
        case watched
        /// A thread waits for that completion.
        case awaited
        case received(cancelled: Bool)
    }

    private struct Watch {
        /// Of the call in the slot: what a handler kept of an earlier call has another.
        var serial: UInt64 = 0
        var close = Close.unwatched
        /// Before it `isCancelled` does not look again.
        var nextLook: Int64 = 0
    }

    let method: ServerMethod
    let stopping: StopSignal
    private let configuration: RPCServerConfiguration
    private let queue = PluckQueue()
    private let watch = Mutex(Watch())

    private let call = UnsafeMutablePointer<OpaquePointer?>.allocate(capacity: 1)
    private let deadline = UnsafeMutablePointer<gpr_timespec>.allocate(capacity: 1)
    private let metadata = UnsafeMutablePointer<grpc_metadata_array>.allocate(capacity: 1)
    private let request = UnsafeMutablePointer<ByteBuffer?>.allocate(capacity: 1)
    private let details = UnsafeMutablePointer<grpc_call_details>.allocate(capacity: 1)
    private let statusMessage = UnsafeMutablePointer<grpc_slice>.allocate(capacity: 1)
    private let cancelled = UnsafeMutablePointer<CInt>.allocate(capacity: 1)
    private let operations = UnsafeMutablePointer<grpc_op>.allocate(capacity: 4)
    private let closeOperation = UnsafeMutablePointer<grpc_op>.allocate(capacity: 1)
    private var isMetadataSent = false

    init(_ method: ServerMethod, configuration: RPCServerConfiguration, stopping: StopSignal) {
        self.method = method
        self.stopping = stopping
        self.configuration = configuration
        call.initialize(to: nil)
        deadline.initialize(to: gpr_timespec())
        grpc_metadata_array_init(metadata)
        request.initialize(to: nil)
        grpc_call_details_init(details)
        statusMessage.initialize(to: grpc_empty_slice())
        cancelled.initialize(to: 0)
        operations.initialize(repeating: grpc_op(), count: 4)
        closeOperation.initialize(to: grpc_op())
        closeOperation.pointee.op = GRPC_OP_RECV_CLOSE_ON_SERVER
        closeOperation.pointee.data.recv_close_on_server.cancelled = cancelled
    }

    deinit {
        grpc_metadata_array_destroy(metadata)
        grpc_call_details_destroy(details)
        call.deallocate()
        deadline.deallocate()
        metadata.deallocate()
        request.deallocate()
        details.deallocate()
        statusMessage.deallocate()
        cancelled.deallocate()
        operations.deallocate()
        closeOperation.deallocate()
    }

    /// Asks gRPC for the next call of the method: a completion with this slot's address on
    /// `notifications`.
    func post(to server: OpaquePointer, notifications: OpaquePointer) {
        let tag = Unmanaged.passUnretained(self).toOpaque()
        metadata.pointee.count = 0
        let result =
            if let registration = method.registration {
                grpc_server_request_registered_call(
                    server, registration, call, deadline, metadata, request, queue.pointer,
                    notifications, tag)
            } else {
                grpc_server_request_call(
                    server, call, details, metadata, queue.pointer, notifications, tag)
            }
        // A server that has stopped in this moment takes none.
        precondition(
            result == GRPC_CALL_OK || result == GRPC_CALL_ERROR_COMPLETION_QUEUE_SHUTDOWN,
            "a slot that gRPC does not take")
    }

    /// What the handler gets to know of the call that has come.
    func opened() -> RPCServerCall {
        RPCServerCall(
            method: method.name, metadata: receivedMetadata(),
            deadline: RPCDeadline(deadline.pointee), slot: self,
            serial: watch.withLock { $0.serial })
    }

    /// The method that the client named, of a slot for unknown ones.
    var calledMethod: String {
        String(details.pointee.method.text.prefix(200))
    }

    /// The bytes of the request; once.
    ///
    /// - Throws: `unimplemented` if the client sent none (gRPC's code for a wrong number of
    ///   messages).
    func takeRequest() throws(RPCError) -> [UInt8] {
        guard let message = request.pointee else {
            throw RPCError(.unimplemented, "\(method.name) takes one request, none came")
        }
        request.pointee = nil
        return message.takeBytes()
    }

    private func receivedMetadata() -> RPCMetadata {
        var received = RPCMetadata()
        guard let pairs = metadata.pointee.metadata else { return received }
        for index in 0..<metadata.pointee.count {
            guard grpc_is_binary_header(pairs[index].key) == 0 else { continue }
            received.appendReceived(pairs[index].key.text, pairs[index].value.text)
        }
        return received
    }
}

// MARK: - Cancelling

extension ServerSlot {
    /// How old the answer of `isCancelled` may be, in nanoseconds: a look costs a system call.
    private static let lookInterval: Int64 = 1_000_000

    func isCancelled(_ serial: UInt64) -> Bool {
        let now = RPCDeadline.clock()
        let known: Bool? = watch.withLock { watch in
            guard watch.serial == serial else { return true }
            if case .received(let cancelled) = watch.close { return cancelled }
            guard now >= watch.nextLook else { return false }
            watch.nextLook = now + Self.lookInterval
            return nil
        }
        return known ?? waitUntilCancelled(serial, until: RPCDeadline(nanoseconds: 0))
    }

    func waitUntilCancelled(_ serial: UInt64, until deadline: RPCDeadline) -> Bool {
        let known: Bool? = watch.withLock { watch in
            guard watch.serial == serial else { return true }
            switch watch.close {
            case .received(let cancelled): return cancelled
            case .awaited: return false
            case .watched: break
            case .unwatched:
                let started = grpc_call_start_batch(
                    call.pointee, closeOperation, 1, closeOperation, nil)
                precondition(started == GRPC_CALL_OK, "a call that can't be watched")
            }
            watch.close = .awaited
            return nil
        }
        return known ?? awaitClose(until: deadline)
    }

    /// Only for the one that has set `awaited`.
    private func awaitClose(until deadline: RPCDeadline) -> Bool {
        let event = queue.pluck(closeOperation, until: deadline.grpcTime)
        return watch.withLock { watch in
            guard event != nil else {
                watch.close = .watched
                return false
            }
            watch.close = .received(cancelled: cancelled.pointee != 0)
            return cancelled.pointee != 0
        }
    }
}

// MARK: - Answering

extension ServerSlot {
    /// One message of a stream; see `RPCMessageWriter.send`.
    func send(_ message: [UInt8], serial: UInt64) throws(RPCError) {
        guard watch.withLock({ $0.serial == serial }) else {
            throw RPCError(.cancelled, "the handler has returned")
        }
        let buffer = try outgoing(message)
        defer { grpc_byte_buffer_destroy(buffer) }
        var count = 0
        addMetadata(&count)
        addMessage(buffer, &count)
        guard run(count) else { throw broken() }
    }

    /// Ends the call and lets go of it: with an answer, with an error, or (a stream) with neither.
    func finish(answer: [UInt8]? = nil, error: RPCError? = nil) {
        var error = error
        var buffer: ByteBuffer?
        if let answer, error == nil {
            do {
                buffer = try outgoing(answer)
            } catch let refusal {
                error = refusal
            }
        }
        let isUnwatched = watch.withLock { watch in
            watch.serial &+= 1
            guard case .unwatched = watch.close else { return false }
            return true
        }
        var count = 0
        addMetadata(&count)
        if let buffer { addMessage(buffer, &count) }
        addStatus(error, &count)
        if isUnwatched {
            operations[count] = closeOperation.pointee
            count += 1
        }
        run(count, for: configuration.answerPatience)
        drainClose()
        grpc_byte_buffer_destroy(buffer)
        grpc_slice_unref(statusMessage.pointee)
        statusMessage.pointee = grpc_empty_slice()
        release()
    }

    /// The completion of a watched close comes with the end of the call: it must be taken.
    private func drainClose() {
        while true {
            let mustAwait: Bool? = watch.withLock { watch in
                switch watch.close {
                case .unwatched, .received: return nil
                // A thread that a handler left behind has it in hand, and gets it now.
                case .awaited: return false
                case .watched:
                    watch.close = .awaited
                    return true
                }
            }
            switch mustAwait {
            case true: _ = awaitClose(until: .none)
            case false: gpr_sleep_until(RPCDeadline(after: .milliseconds(1)).grpcTime)
            case nil: return
            }
        }
    }

    private func release() {
        if let request = request.pointee { grpc_byte_buffer_destroy(request) }
        request.pointee = nil
        if let call = call.pointee { grpc_call_unref(call) }
        call.pointee = nil
        grpc_call_details_destroy(details)
        grpc_call_details_init(details)
        isMetadataSent = false
        watch.withLock { watch in
            watch.close = .unwatched
            watch.nextLook = 0
        }
    }

    private func outgoing(_ message: [UInt8]) throws(RPCError) -> ByteBuffer {
        let bound = configuration.answerBytesMax
        guard message.count <= bound else {
            throw RPCError(
                .resourceExhausted,
                "\(method.name): an answer of \(message.count) bytes: at most \(bound) are sent")
        }
        guard let buffer = ByteBuffer.copying(message) else {
            throw RPCError(.internalError, "grpc_raw_byte_buffer_create gave nothing")
        }
        return buffer
    }

    private func addMetadata(_ count: inout Int) {
        guard !isMetadataSent else { return }
        isMetadataSent = true
        operations[count] = grpc_op()
        operations[count].op = GRPC_OP_SEND_INITIAL_METADATA
        count += 1
    }

    private func addMessage(_ message: ByteBuffer, _ count: inout Int) {
        operations[count] = grpc_op()
        operations[count].op = GRPC_OP_SEND_MESSAGE
        operations[count].data.send_message.send_message = message
        count += 1
    }

    private func addStatus(_ error: RPCError?, _ count: inout Int) {
        operations[count] = grpc_op()
        operations[count].op = GRPC_OP_SEND_STATUS_FROM_SERVER
        if let error {
            let code: RPCStatusCode = error.code.isDefinedFailure ? error.code : .unknown
            operations[count].data.send_status_from_server.status = grpc_status_code(
                rawValue: code.rawValue)
            statusMessage.pointee = grpc_slice(copying: error.messageToSend)
            operations[count].data.send_status_from_server.status_details = statusMessage
        }
        count += 1
    }

    /// Runs the first operations as a batch and waits for it. Past its patience the call is
    /// cancelled, which completes the batch.
    @discardableResult
    private func run(_ count: Int, for patience: Duration? = nil) -> Bool {
        let result = grpc_call_start_batch(call.pointee, operations, count, operations, nil)
        guard result == GRPC_CALL_OK else {
            // A mistake in the batch: ours. The client must not wait for it.
            assertionFailure(String(cString: grpc_call_error_to_string(result)))
            grpc_call_cancel(call.pointee, nil)
            return false
        }
        guard let patience else { return queue.pluck(operations) ?? false }
        if let success = queue.pluck(operations, until: RPCDeadline(after: patience).grpcTime) {
            return success
        }
        grpc_call_cancel(call.pointee, nil)
        return queue.pluck(operations) ?? false
    }

    private func broken() -> RPCError {
        RPCDeadline(deadline.pointee).hasPassed
            ? RPCError(
                .deadlineExceeded, "\(method.name): the deadline passed while it was answered")
            : RPCError(.cancelled, "\(method.name): the call was cancelled while it was answered")
    }
}
