internal import CFastCGI
internal import Glibc

/// One `FCGX_Request`, used for one request after another, each on a connection accepted elsewhere.
///
/// libfcgi closes the descriptor it works on whenever a request is malformed. So it gets a duplicate,
/// and the connection's own number stays valid until `Connections` closes it: `shutdown(2)` at
/// the end of the process can't hit a stranger that got the number meanwhile.
struct LibraryRequest: ~Copyable {
    private static let responderRole: CInt = 1  // FCGI_RESPONDER, FastCGI 1.0, section 8.
    private static let scratchBytes = 16 << 10

    private let request: UnsafeMutablePointer<FCGX_Request>
    /// Where a body goes that nobody wants.
    private let scratch: UnsafeMutablePointer<CChar>

    /// `FastCGILibrary.setUp` must have been called.
    init() {
        request = .allocate(capacity: 1)
        scratch = .allocate(capacity: Self.scratchBytes)
        // No listener: where libfcgi would go on to accept by itself it fails instead of waiting.
        FCGX_InitRequest(request, -1, 0)
    }

    deinit {
        FCGX_Free(request, 1)
        request.deallocate()
        scratch.deallocate()
    }

    /// Reads a request, its body included; nil if it is malformed, too long, cut off or no
    /// responder's. Then nothing is left to finish.
    mutating func receive(from socket: CInt, bodyBytesMax: Int) -> Request? {
        let duplicate = fcntl(socket, F_DUPFD_CLOEXEC, 3)
        guard duplicate >= 0 else { return nil }
        request.pointee.ipcFd = duplicate
        // FCGX_Accept_r first finishes "the request before": without this it would close `ipcFd`.
        request.pointee.keepConnection = 1
        // Closing is then a plain close(2), not a wait of up to 2 s for the peer to close first.
        FCGX_Detach(request)
        guard FCGX_Accept_r(request) == 0 else { return nil }
        // Parameters that end with the connection look complete to libfcgi, but for this error.
        guard FCGX_GetError(request.pointee.in) == 0,
            request.pointee.role == Self.responderRole, skipBody(bytesMax: bodyBytesMax),
            let environment = request.pointee.envp
        else {
            abandon()
            return nil
        }
        return Request(environment: environment)
    }

    /// Reads the body to its end: what is left unread of it would be taken for the next request.
    private func skipBody(bytesMax: Int) -> Bool {
        var left = bytesMax
        while left >= 0 {
            let count = FCGX_GetStr(scratch, CInt(Self.scratchBytes), request.pointee.in)
            if count < Self.scratchBytes {
                return count <= left && FCGX_GetError(request.pointee.in) == 0
            }
            left -= Int(count)
        }
        return false
    }

    /// Writes a part of the answer; false if the peer is gone or stalled: then `abandon`.
    func write(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let part = rest.prefix(1 << 30)  // libfcgi counts in Int32.
                let start = UnsafeRawBufferPointer(rebasing: part)
                guard let base = start.assumingMemoryBound(to: CChar.self).baseAddress,
                    FCGX_PutStr(base, CInt(part.count), request.pointee.out) == CInt(part.count)
                else { return false }
                rest = rest.dropFirst(part.count)
            }
            return true
        }
    }

    /// Writes what is buffered and ends the request; true if the connection may be kept, because
    /// the peer asked for it and is in step.
    mutating func finish() -> Bool {
        FCGX_Finish_r(request)
        let isKept = request.pointee.ipcFd >= 0
        if isKept { FCGX_Free(request, 1) }  // The duplicate.
        return isKept
    }

    /// Ends the request without writing another byte.
    mutating func abandon() {
        FCGX_Free(request, 1)
    }
}
