internal import GRDB
private import GRDBSQLite

/// A prepared statement, used again and again by the store's thread.
///
/// GRDB opens the database and owns the statement; values go straight through SQLite's C interface, which takes a third
/// of the time of GRDB's boxed arguments and rows for statements as small as these.
final class Query {
    private let statement: Statement
    private let handle: OpaquePointer

    init(_ database: Database, _ sql: String) throws(StoreFault) {
        do {
            statement = try database.makeStatement(sql: sql)
        } catch {
            throw StoreFault(error)
        }
        handle = statement.sqliteStatement
    }

    // MARK: Parameters, from 1

    func bind(_ place: Int32, _ value: Int64) { sqlite3_bind_int64(handle, place, value) }
    func bind(_ place: Int32, _ value: Int) { sqlite3_bind_int64(handle, place, Int64(value)) }
    func bind(_ place: Int32, _ value: Bool) { sqlite3_bind_int64(handle, place, value ? 1 : 0) }

    func bind(_ place: Int32, _ value: Int64?) {
        if let value { bind(place, value) } else { sqlite3_bind_null(handle, place) }
    }

    func bind(_ place: Int32, _ value: String) {
        var value = value
        value.withUTF8 { text in
            text.withMemoryRebound(to: CChar.self) { text in
                _ = sqlite3_bind_text(handle, place, text.baseAddress, Int32(text.count), copied)
            }
        }
    }

    func bind(_ place: Int32, _ value: [UInt8]) {
        // Of an empty array SQLite would make NULL.
        guard !value.isEmpty else {
            sqlite3_bind_zeroblob(handle, place, 0)
            return
        }
        value.withUnsafeBytes { bytes in
            _ = sqlite3_bind_blob64(
                handle, place, bytes.baseAddress, sqlite3_uint64(bytes.count), copied)
        }
    }

    func bind(_ place: Int32, _ value: TicketID) {
        withUnsafeBytes(of: (value.high.bigEndian, value.low.bigEndian)) { bytes in
            _ = sqlite3_bind_blob(handle, place, bytes.baseAddress, 16, copied)
        }
    }

    // MARK: Running

    /// Runs it to its end, for what gives no rows.
    func run() throws(StoreFault) {
        while try step() {}
    }

    /// Gives each row to `row`, until there are no more or it returns false.
    func forEach(_ row: (Query) throws(StoreFault) -> Bool) throws(StoreFault) {
        defer { sqlite3_reset(handle) }
        while try step() {
            guard try row(self) else { return }
        }
    }

    /// What `row` makes of the first row; nil where there is none.
    func first<Value>(_ row: (Query) throws(StoreFault) -> Value) throws(StoreFault) -> Value? {
        defer { sqlite3_reset(handle) }
        return try step() ? try row(self) : nil
    }

    /// What `row` makes of the only row, after which the statement runs to its end.
    func only<Value>(_ row: (Query) -> Value) throws(StoreFault) -> Value? {
        guard try step() else { return nil }
        let value = row(self)
        try run()
        return value
    }

    private func step() throws(StoreFault) -> Bool {
        let result = sqlite3_step(handle)
        if result == SQLITE_ROW { return true }
        if result == SQLITE_DONE {
            sqlite3_reset(handle)
            return false
        }
        let message = String(cString: sqlite3_errmsg(sqlite3_db_handle(handle)))
        sqlite3_reset(handle)
        throw StoreFault(ResultCode(rawValue: result), message)
    }

    // MARK: Columns of the row, from 0

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }
    func int(_ column: Int32) -> Int { Int(sqlite3_column_int64(handle, column)) }

    func integerIfAny(_ column: Int32) -> Int64? {
        sqlite3_column_type(handle, column) == SQLITE_NULL ? nil : integer(column)
    }

    func text(_ column: Int32) -> String {
        String(decoding: content(column, sqlite3_column_text(handle, column)), as: UTF8.self)
    }

    func bytes(_ column: Int32) -> [UInt8] {
        [UInt8](content(column, sqlite3_column_blob(handle, column)))
    }

    func id(_ column: Int32) throws(StoreFault) -> TicketID {
        guard let id = TicketID(bytes: content(column, sqlite3_column_blob(handle, column))) else {
            throw StoreFault(.SQLITE_CORRUPT, "a ticket's id is not 16 bytes long")
        }
        return id
    }

    private func content(
        _ column: Int32, _ start: UnsafeRawPointer?
    ) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(handle, column)))
    }

    private func content(
        _ column: Int32, _ start: UnsafePointer<UInt8>?
    ) -> UnsafeRawBufferPointer {
        content(column, start.map { UnsafeRawPointer($0) })
    }

    /// `SQLITE_TRANSIENT`, a macro that Swift does not import: SQLite makes a copy of its own.
    private var copied: sqlite3_destructor_type {
        unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    }
}
