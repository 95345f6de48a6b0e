internal import GRDB

/// What SQLite said no to.
struct StoreFault: Error, Sendable {
    /// Its extended result code.
    let code: ResultCode
    let message: String

    init(_ code: ResultCode, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: any Error) {
        if let fault = error as? StoreFault {
            self = fault
        } else if let error = error as? DatabaseError {
            self.init(
                error.extendedResultCode, error.message ?? error.extendedResultCode.description)
        } else {
            self.init(.SQLITE_ERROR, "\(error)")
        }
    }

    /// There is no place on the disk, or it takes nothing at the moment.
    var isFull: Bool {
        switch code {
        case .SQLITE_FULL, .SQLITE_IOERR_WRITE, .SQLITE_IOERR_FSYNC, .SQLITE_IOERR_TRUNCATE: true
        default: false
        }
    }

    /// The file is another process's.
    var isInUse: Bool {
        code.primaryResultCode == .SQLITE_BUSY || code.primaryResultCode == .SQLITE_LOCKED
    }

    /// The file, not the moment.
    var isDamage: Bool {
        code.primaryResultCode == .SQLITE_CORRUPT || code.primaryResultCode == .SQLITE_NOTADB
    }

    /// As the module's callers see it.
    func error(at path: String) -> BacklogError {
        BacklogError(
            isFull ? .full : .broken,
            isInUse
                ? "\(path) is in use: does another gateway run on this state folder?"
                : "\(path): \(message) (SQLite \(code.rawValue))")
    }
}
