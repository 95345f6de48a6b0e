internal import Glibc

/// What libFuzzer calls with bytes of its own making: they go the way that a connection's bytes go,
/// through the checks and into libfcgi.
///
/// The first byte says how the rest is cut; the rest is what the peer sends.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRecords(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 0 else { return 0 }
    let sent = UnsafeRawBufferPointer(start: start + 1, count: count - 1)
    let whole = RecordFuzzer.shared.outcome(of: sent, cutInto: max(1, sent.count))
    let cut = RecordFuzzer.shared.outcome(of: sent, cutInto: 1 + Int(start[0]))
    precondition(whole == cut, "where the bytes are cut makes a difference")
    return 0
}

/// What a worker has, for one request after the other.
private final class RecordFuzzer {
    /// What became of the bytes that a peer sent.
    struct Outcome: Equatable {
        var progress = RequestRecords.Progress.incomplete
        var method = ""
        var target: [UInt8] = []
        var isKept = false
    }

    private static let bodyBytesMax = 4_096
    // libFuzzer calls on one thread.
    nonisolated(unsafe) static let shared = RecordFuzzer()

    private var request: LibraryRequest
    private var records: RequestRecords
    /// Where answers go.
    private let output = open("/dev/null", O_WRONLY | O_CLOEXEC)

    private init() {
        do throws(FastCGIError) {
            try FastCGILibrary.setUp()
            request = LibraryRequest(pipe: try CheckedPipe())
        } catch {
            fatalError(error.description)
        }
        records = RequestRecords(
            parameterBytesMax: request.parameterBytesMax, bodyBytesMax: Self.bodyBytesMax)
    }

    /// Feeds the bytes in pieces until they are a request or none.
    func outcome(of sent: UnsafeRawBufferPointer, cutInto pieceBytes: Int) -> Outcome {
        var outcome = Outcome()
        records.reset()
        for start in stride(from: 0, to: sent.count, by: pieceBytes) {
            let piece = sent[start..<min(start + pieceBytes, sent.count)]
            outcome.progress = records.take(UnsafeRawBufferPointer(rebasing: piece))
            if outcome.progress != .incomplete { break }
        }
        guard outcome.progress == .complete else { return outcome }
        guard let received = request.begin(records, answerTo: output) else {
            fatalError("libfcgi has no parameters of a request that was checked")
        }
        outcome.method = received.method
        outcome.target = received.target
        precondition(!received.target.contains(0), "a NUL came through")
        let isWritten = request.writer.write(Array("Status: 204\r\n\r\n".utf8))
        precondition(isWritten, "/dev/null refused an answer")
        outcome.isKept = request.finish()
        return outcome
    }
}
