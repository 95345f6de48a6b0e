internal import GRDB
private import Glibc

/// The file: how it is opened, what it must be, its tables.
enum TicketDatabase {
    /// Of `PRAGMA application_id`: "PSRL".
    private static let application = 0x5053_524C
    /// Of `PRAGMA user_version`: a file with a newer one is not touched.
    static let version = 1

    /// Opens `backlog.sqlite` in a folder, or makes it, and takes it for this process alone until it is closed.
    ///
    /// - Parameter patience: how long a predecessor that is just ending is waited for.
    static func open(
        _ path: String, patience: Double = 5
    ) throws(BacklogError) -> DatabaseQueue {
        try makePrivate(path)
        var configuration = Configuration()
        configuration.label = "backlog"
        configuration.busyMode = .timeout(patience)
        // Before anything is read: with it the index of the log is in memory, not in a file that a second process could
        // join, and the lock of the first access stays.
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE")
        }
        do {
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.writeWithoutTransaction { database in try prepare(database) }
            return queue
        } catch let error as BacklogError {
            throw BacklogError(error.code, "\(path): \(error.message)")
        } catch {
            let fault = StoreFault(error)
            let found = fault.error(at: path)
            guard fault.isDamage else { throw found }
            throw BacklogError(
                .broken, "\(found.message); it is left as it is: move it away to start anew")
        }
    }

    /// SQLite gives the log the file's own permissions.
    private static func makePrivate(_ path: String) throws(BacklogError) {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if descriptor >= 0 {
            close(descriptor)
        } else if errno != EEXIST || chmod(path, 0o600) != 0 {
            // Opening and closing a file that is there would drop this process's own locks on it (fcntl(2)).
            throw BacklogError(.broken, "\(path): \(String(cString: strerror(errno)))")
        }
    }

    private static func prepare(_ database: Database) throws {
        let version = try number(database, "PRAGMA user_version")
        let application = try number(database, "PRAGMA application_id")
        let tables = try number(database, "SELECT count(*) FROM sqlite_master")
        guard tables == 0 || application == Self.application else {
            throw BacklogError(.broken, "this is a database of another program")
        }
        guard version <= Self.version else {
            throw BacklogError(
                .broken, "made by a newer version of this program (\(version) > \(Self.version))")
        }
        // Only before the first page is written.
        if tables == 0 { try database.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL") }
        guard try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL") == "wal" else {
            throw BacklogError(.broken, "the file system can't hold a write-ahead log")
        }
        // Not by GRDB's configuration, which leaves NORMAL: a commit would not be durable.
        try database.execute(
            sql: """
                PRAGMA synchronous = FULL;
                PRAGMA journal_size_limit = 16777216;
                PRAGMA cache_size = -16384;
                """)
        guard try number(database, "PRAGMA synchronous") == 2 else {
            throw BacklogError(.broken, "SQLite does not take synchronous = FULL")
        }
        if tables == 0 {
            try database.inTransaction(.immediate) {
                try database.execute(sql: schema)
                let id = Int64(bitPattern: GatewayID().number)
                try database.execute(sql: "INSERT INTO gateway (id) VALUES (?)", arguments: [id])
                return .commit
            }
        } else if try number(database, "PRAGMA page_count") <= checkedPagesMax {
            let found = try String.fetchOne(database, sql: "PRAGMA quick_check(1)")
            guard found == "ok" else {
                let line = (found ?? "unreadable").replacing("\n", with: " ")
                throw StoreFault(.SQLITE_CORRUPT, line)
            }
        }
    }

    private static func number(_ database: Database, _ sql: String) throws -> Int {
        try Int.fetchOne(database, sql: sql) ?? 0
    }

    /// Up to 64 MiB the whole file is checked at each start (about 0.1 s); damage in a larger one is met when it is read.
    private static let checkedPagesMax = 16_384

    /// The answer stands apart, so that a change of state never copies it.
    private static let schema = """
        CREATE TABLE gateway (id INTEGER NOT NULL) STRICT;
        CREATE TABLE ticket (
            number INTEGER PRIMARY KEY,
            id BLOB NOT NULL UNIQUE,
            owner INTEGER NOT NULL,
            is_own INTEGER NOT NULL,
            service TEXT NOT NULL,
            state INTEGER NOT NULL,
            round INTEGER NOT NULL,
            created INTEGER NOT NULL,
            expires INTEGER NOT NULL,
            changed INTEGER,
            failures INTEGER NOT NULL,
            not_before INTEGER NOT NULL,
            revision INTEGER NOT NULL,
            is_told INTEGER NOT NULL,
            request_bytes INTEGER NOT NULL,
            answer_bytes INTEGER NOT NULL,
            reserved_bytes INTEGER NOT NULL,
            request BLOB
        ) STRICT;
        CREATE TABLE answer (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
        CREATE INDEX ticket_waiting ON ticket (service, created, not_before)
            WHERE state = 0 AND is_own = 1;
        CREATE INDEX ticket_untold ON ticket (is_told) WHERE is_told = 0;
        CREATE INDEX ticket_alive ON ticket (expires) WHERE state <= 2;
        CREATE INDEX ticket_trace ON ticket (expires) WHERE state > 2;
        PRAGMA application_id = \(application);
        PRAGMA user_version = \(version);
        """
}

extension TicketState {
    /// Its number in the database.
    var stored: Int {
        switch self {
        case .waiting: 0
        case .answered: 1
        case .failed: 2
        case .deleted: 3
        case .expired: 4
        }
    }

    init(stored: Int) throws(StoreFault) {
        switch stored {
        case 0: self = .waiting
        case 1: self = .answered
        case 2: self = .failed
        case 3: self = .deleted
        case 4: self = .expired
        default: throw StoreFault(.SQLITE_CORRUPT, "a ticket has the state \(stored)")
        }
    }
}
