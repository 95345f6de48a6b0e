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
                    let isSent = front.withUnsafeBytes { front in
                        end.withUnsafeBytes { end in
                            send(
                                front, UnsafeRawBufferPointer(rebasing: fromBody),
                                isLast ? end : UnsafeRawBufferPointer(start: nil, count: 0),
                                to: socket)
                        }
                    }
                    guard isSent else { return false }
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

    /// All of three pieces, one behind the other.
    private static func send(
        _ one: UnsafeRawBufferPointer, _ two: UnsafeRawBufferPointer,
        _ three: UnsafeRawBufferPointer, to socket: CInt
    ) -> Bool {
        var sent = 0
        let all = one.count + two.count + three.count
        return withUnsafeTemporaryAllocation(of: iovec.self, capacity: 3) { pieces in
            while sent < all {
                var skipped = sent
                for (index, piece) in [one, two, three].enumerated() {
                    let left = piece.dropFirst(skipped)
                    skipped -= piece.count - left.count
                    let rest = UnsafeRawBufferPointer(rebasing: left)
                    // sendmsg(2) only reads.
                    pieces[index] = iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: rest.baseAddress),
                        iov_len: rest.count)
                }
                var message = msghdr()
                message.msg_iov = pieces.baseAddress
                message.msg_iovlen = 3
                let count = sendmsg(socket, &message, CInt(MSG_NOSIGNAL))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                sent += count
            }
            return true
        }
    }
}
