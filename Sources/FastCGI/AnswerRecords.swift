internal import Glibc

/// Writes a whole answer as records: its head, its body and the end of the request in one system call.
///
/// libfcgi's writer has a buffer of 8 KiB: an answer of 15 KB would be copied into it piece by piece and be three writes,
/// each of which wakes the web server. FastCGI 1.0, sections 3.3 (records) and 5.5 (the end of a request).
enum AnswerRecords {
    private enum Kind {
        static let end: UInt8 = 3
        static let output: UInt8 = 6
    }

    /// A multiple of 8, as the specification recommends.
    private static let contentBytesMax = 65_528
    private static let headerBytes = 8

    /// Waits as long as the socket's time-out says for each piece that the peer takes.
    ///
    /// - Parameters:
    ///   - id: the request's.
    ///   - head: not empty.
    /// - Returns: false if the peer is gone or stalled.
    static func write(_ head: [UInt8], _ body: [UInt8], of id: UInt16, to socket: CInt) -> Bool {
        forEachRecord(head, body, id) { pieces in
            send(pieces, to: socket, flags: 0) == pieces.count
        }
    }

    /// What came of an answer that waits for nobody.
    enum Beginning {
        case done
        /// The peer is gone.
        case gone
        /// What it did not take at once.
        case rest([UInt8])
    }

    /// The same without waiting: what the peer does not take at once is given back, for ``write(_:to:)``.
    static func begin(
        _ head: [UInt8], _ body: [UInt8], of id: UInt16, to socket: CInt
    ) -> Beginning {
        var rest: [UInt8]?
        let isThere = forEachRecord(head, body, id) { pieces in
            var sent = 0
            if rest == nil {
                guard let count = send(pieces, to: socket, flags: CInt(MSG_DONTWAIT)) else {
                    return false
                }
                guard count < pieces.count else { return true }
                sent = count
            }
            rest = (rest ?? []) + pieces.rest(from: sent).joined()
            return true
        }
        guard isThere else { return .gone }
        return rest.map(Beginning.rest) ?? .done
    }

    /// Waits as the other does.
    static func write(_ rest: [UInt8], to socket: CInt) -> Bool {
        rest.withUnsafeBytes { rest in
            send(Pieces(rest, nothing, nothing), to: socket, flags: 0) == rest.count
        }
    }

    /// Three pieces of memory, one behind the other.
    private struct Pieces {
        private let all: [UnsafeRawBufferPointer]
        let count: Int

        init(
            _ one: UnsafeRawBufferPointer, _ two: UnsafeRawBufferPointer,
            _ three: UnsafeRawBufferPointer
        ) {
            all = [one, two, three]
            count = one.count + two.count + three.count
        }

        /// The three without the first bytes of all.
        func rest(from start: Int) -> [UnsafeRawBufferPointer] {
            var skipped = start
            return all.map { piece in
                let left = piece.dropFirst(skipped)
                skipped -= piece.count - left.count
                return UnsafeRawBufferPointer(rebasing: left)
            }
        }
    }

    private static var nothing: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// False as soon as `take` says so.
    private static func forEachRecord(
        _ head: [UInt8], _ body: [UInt8], _ id: UInt16, _ take: (Pieces) -> Bool
    ) -> Bool {
        var end: [UInt8] = []
        end.reserveCapacity(3 * headerBytes)
        appendHeader(Kind.output, id, 0, to: &end)
        appendHeader(Kind.end, id, 8, to: &end)
        // The application's status 0, FCGI_REQUEST_COMPLETE, three bytes of no meaning.
        end.append(contentsOf: repeatElement(0, count: 8))
        var front: [UInt8] = []
        front.reserveCapacity(headerBytes + min(head.count, contentBytesMax))
        return head.withUnsafeBytes { head in
            body.withUnsafeBytes { body in
                var head = head[...]
                var body = body[...]
                while !head.isEmpty || !body.isEmpty {
                    let fromHead = head.prefix(contentBytesMax)
                    let fromBody = body.prefix(contentBytesMax - fromHead.count)
                    head = head.dropFirst(fromHead.count)
                    body = body.dropFirst(fromBody.count)
                    front.removeAll(keepingCapacity: true)
                    appendHeader(
                        Kind.output, id, fromHead.count + fromBody.count, to: &front)
                    front.append(contentsOf: fromHead)
                    let isLast = head.isEmpty && body.isEmpty
                    let isTaken = front.withUnsafeBytes { front in
                        end.withUnsafeBytes { end in
                            take(
                                Pieces(
                                    front, UnsafeRawBufferPointer(rebasing: fromBody),
                                    isLast ? end : nothing))
                        }
                    }
                    guard isTaken else { return false }
                }
                return true
            }
        }
    }

    private static func appendHeader(
        _ kind: UInt8, _ id: UInt16, _ count: Int, to bytes: inout [UInt8]
    ) {
        bytes.append(1)
        bytes.append(kind)
        bytes.append(UInt8(id >> 8))
        bytes.append(UInt8(id & 0xff))
        bytes.append(UInt8(count >> 8))
        bytes.append(UInt8(count & 0xff))
        bytes.append(0)
        bytes.append(0)
    }

    /// All of it; with `MSG_DONTWAIT` as much as the peer takes at once.
    ///
    /// - Returns: how many bytes were sent; nil if the peer is gone or stalled.
    private static func send(_ pieces: Pieces, to socket: CInt, flags: CInt) -> Int? {
        var sent = 0
        return withUnsafeTemporaryAllocation(of: iovec.self, capacity: 3) { vector in
            while sent < pieces.count {
                for (index, piece) in pieces.rest(from: sent).enumerated() {
                    // sendmsg(2) only reads.
                    vector[index] = iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: piece.baseAddress),
                        iov_len: piece.count)
                }
                var message = msghdr()
                message.msg_iov = vector.baseAddress
                message.msg_iovlen = 3
                let count = sendmsg(socket, &message, CInt(MSG_NOSIGNAL) | flags)
                if count < 0, errno == EINTR { continue }
                if count < 0, errno == EAGAIN, flags & CInt(MSG_DONTWAIT) != 0 { return sent }
                guard count > 0 else { return nil }
                sent += count
            }
            return sent
        }
    }
}
