internal import CFastCGI
internal import Glibc

/// One `FCGX_Request`, used for one request after another, each on a connection accepted elsewhere.
///
/// It reads what was checked before, from a pipe of its own, and writes to the connection. So
/// whatever a peer sends, libfcgi neither waits in a read nor closes a connection: a connection's
/// descriptor is `Connections`' alone.
struct LibraryRequest: ~Copyable {
    private let request: UnsafeMutablePointer<FCGX_Request>
    private let pipe: CheckedPipe
    private var checked: [UInt8] = []

    /// What the parameters may take: all but the frame around them.
    var parameterBytesMax: Int { pipe.bytesMax - 128 }

    /// `FastCGILibrary.setUp` must have been called.
    init(pipe: CheckedPipe) {
        self.pipe = pipe
        request = .allocate(capacity: 1)
        // No listener: libfcgi never accepts by itself.
        FCGX_InitRequest(request, -1, 0)
    }

    deinit {
        FCGX_Free(request, 0)
        request.deallocate()
    }

    /// Makes a request of complete records; its answer goes to `socket`.
    mutating func begin(_ records: borrowing RequestRecords, answerTo socket: CInt) -> Request? {
        checked.removeAll(keepingCapacity: true)
        records.appendForLibrary(to: &checked)
        precondition(checked.count <= pipe.bytesMax, "RequestRecords has the bound")
        // The pipe is empty, and has room for all of it: this does not wait.
        let written = Glibc.write(pipe.writing, checked, checked.count)
        precondition(written == checked.count, "the pipe was not empty")
        request.pointee.ipcFd = pipe.reading
        // FCGX_Accept_r first finishes "the request before": without this it would close `ipcFd`.
        request.pointee.keepConnection = 1
        let result = FCGX_Accept_r(request)
        precondition(result == 0, "libfcgi refused records that are whole and well-formed")
        // To the end of the (empty) body: else the pipe would not be empty for the next one.
        precondition(FCGX_GetChar(request.pointee.in) == -1, "a body was let through")
        request.pointee.ipcFd = socket
        guard let environment = request.pointee.envp else { return nil }
        return Request(environment: environment)
    }

    /// The way out of an answer, valid until the request ends.
    struct Writer {
        fileprivate let out: UnsafeMutablePointer<FCGX_Stream>

        /// Writes a part of the answer; false if the peer is gone or stalled: then `abandon`.
        func write(_ bytes: [UInt8]) -> Bool {
            bytes.withUnsafeBytes { buffer in
                var rest = buffer[...]
                while !rest.isEmpty {
                    let part = rest.prefix(1 << 30)  // libfcgi counts in Int32.
                    let start = UnsafeRawBufferPointer(rebasing: part)
                    guard let base = start.assumingMemoryBound(to: CChar.self).baseAddress,
                        FCGX_PutStr(base, CInt(part.count), out) == CInt(part.count)
                    else { return false }
                    rest = rest.dropFirst(part.count)
                }
                return true
            }
        }

        /// Sends what is buffered.
        func flush() -> Bool {
            FCGX_FFlush(out) == 0
        }

        /// Whether the last write failed by the socket's time-out (SO_SNDTIMEO, socket(7)).
        var hasStalled: Bool { FCGX_GetError(out) == EAGAIN }
    }

    /// Writes a whole answer and ends the request; true if the peer asked to keep the connection and has got
    /// everything. In place of ``writer`` and ``finish()``.
    mutating func answer(_ head: [UInt8], _ body: [UInt8]) -> Bool {
        let isKept = request.pointee.keepConnection != 0
        let isWritten = AnswerRecords.write(
            head, body, of: UInt16(truncatingIfNeeded: request.pointee.requestId),
            to: request.pointee.ipcFd)
        FCGX_Free(request, 0)
        return isWritten && isKept
    }

    /// Where the answer is written.
    var writer: Writer { Writer(out: request.pointee.out) }

    /// Writes what is buffered and ends the request; true if the peer asked to keep the connection
    /// and has got everything.
    ///
    /// This is FCGX_Finish_r without its last step, which closes the connection: up to 3 s of
    /// waiting for the peer.
    mutating func finish() -> Bool {
        let isKept = request.pointee.keepConnection != 0
        // In this order, or there is one write more (fcgiapp.h).
        let isWritten =
            FCGX_FClose(request.pointee.err) == 0 && FCGX_FClose(request.pointee.out) == 0
        FCGX_Free(request, 0)
        return isWritten && isKept
    }

    /// Ends the request without writing another byte.
    mutating func abandon() {
        FCGX_Free(request, 0)
    }
}
