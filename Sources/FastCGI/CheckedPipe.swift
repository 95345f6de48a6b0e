internal import CLinux
internal import Glibc

/// The pipe by which a worker hands checked bytes to libfcgi, which reads from a descriptor only.
final class CheckedPipe: Sendable {
    /// More than a pipe's default of 64 KiB, so that a request with all the parameters that nginx can send (65,535
    /// bytes) fits with its frame.
    private static let bytesWanted: CInt = 131_072
    private static let bytesNeeded = 65_535 + 128
    // Two fcntl(2) commands that Swift does not see.
    private static let setSize: CInt = 1_031  // F_SETPIPE_SZ
    private static let getSize: CInt = 1_032  // F_GETPIPE_SZ

    let reading: CInt
    let writing: CInt
    /// What can be written at once, without waiting, when it is empty.
    let bytesMax: Int

    init() throws(FastCGIError) {
        var ends: [CInt] = [-1, -1]
        guard clinux_pipe2(&ends, O_CLOEXEC) == 0 else {
            throw FastCGIError(.system, "pipe2", systemError: errno)
        }
        (reading, writing) = (ends[0], ends[1])
        _ = fcntl(writing, Self.setSize, Self.bytesWanted)
        bytesMax = max(0, Int(fcntl(writing, Self.getSize)))
        guard bytesMax >= Self.bytesNeeded else {
            // A user's pipes may take 64 MiB together: pipe(7), pipe-user-pages-soft. `deinit` runs here too, and closes.
            throw FastCGIError(.system, "F_SETPIPE_SZ", systemError: EPERM)
        }
    }

    deinit {
        close(reading)
        close(writing)
    }
}
