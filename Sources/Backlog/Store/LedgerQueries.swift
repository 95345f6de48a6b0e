internal import GRDB

/// The statements, prepared once; what they read is typed here and nowhere else.
final class LedgerQueries {
    /// A ticket and its place in the table.
    struct Row {
        let number: Int64
        let record: TicketRecord
    }

    let begin: Query
    let commit: Query
    let rollBack: Query
    /// Writes the gateway's name over itself.
    let touch: Query
    private let database: Database
    private let find: Query
    private let insertTicket: Query
    private let updateTicket: Query
    private let deleteTicket: Query
    private let readRequest: Query
    private let writeRequest: Query
    private let readAnswer: Query
    private let writeAnswer: Query
    private let deleteAnswer: Query
    private let dueTickets: Query
    private let nextDueTicket: Query
    private let oldestTicket: Query
    private let untoldTickets: Query
    private let allTickets: Query
    private let pastAlive: Query
    private let pastTraces: Query
    private let freePages: Query
    private let allPages: Query
    private let shrink: Query

    private static let columns = """
        number, id, owner, is_own, service, state, round, created, expires, changed, failures, \
        not_before, revision, is_told, request_bytes, answer_bytes, reserved_bytes
        """

    init(_ database: Database) throws(StoreFault) {
        self.database = database
        func query(_ sql: String) throws(StoreFault) -> Query { try Query(database, sql) }
        let columns = Self.columns
        begin = try query("BEGIN IMMEDIATE")
        commit = try query("COMMIT")
        rollBack = try query("ROLLBACK")
        touch = try query("UPDATE gateway SET id = id")
        find = try query("SELECT \(columns) FROM ticket WHERE id = ?")
        insertTicket = try query(
            """
            INSERT INTO ticket (id, owner, is_own, service, round, created, request, state, \
            expires, changed, failures, not_before, revision, is_told, request_bytes, \
            answer_bytes, reserved_bytes)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number
            """)
        updateTicket = try query(
            """
            UPDATE ticket SET round = ?, state = ?, expires = ?, changed = ?, failures = ?, \
            not_before = ?, revision = ?, is_told = ?, request_bytes = ?, answer_bytes = ?
            WHERE number = ?
            """)
        deleteTicket = try query("DELETE FROM ticket WHERE number = ?")
        readRequest = try query("SELECT request FROM ticket WHERE number = ?")
        writeRequest = try query("UPDATE ticket SET request = ? WHERE number = ?")
        readAnswer = try query("SELECT bytes FROM answer WHERE number = ?")
        writeAnswer = try query("INSERT OR REPLACE INTO answer (number, bytes) VALUES (?, ?)")
        deleteAnswer = try query("DELETE FROM answer WHERE number = ?")
        dueTickets = try query(
            """
            SELECT id, request FROM ticket INDEXED BY ticket_waiting
            WHERE state = 0 AND is_own = 1 AND service = ? AND not_before <= ?
            ORDER BY created, number
            """)
        nextDueTicket = try query(
            """
            SELECT min(not_before) FROM ticket
            WHERE state = 0 AND is_own = 1 AND service = ? AND not_before > ?
            """)
        oldestTicket = try query(
            "SELECT min(created) FROM ticket WHERE state = 0 AND is_own = 1 AND service = ?")
        untoldTickets = try query(
            "SELECT \(columns) FROM ticket WHERE is_told = 0 AND number > ? ORDER BY number")
        allTickets = try query("SELECT \(columns) FROM ticket WHERE number > ? ORDER BY number")
        pastAlive = try query("SELECT id FROM ticket WHERE state <= 2 AND expires <= ? LIMIT ?")
        pastTraces = try query("SELECT id FROM ticket WHERE state > 2 AND expires <= ? LIMIT ?")
        freePages = try query("PRAGMA freelist_count")
        allPages = try query("PRAGMA page_count")
        shrink = try query("PRAGMA incremental_vacuum(512)")
    }

    /// This gateway's name, as the file has it.
    static func gateway(_ database: Database) throws(StoreFault) -> GatewayID {
        let query = try Query(database, "SELECT id FROM gateway")
        guard let number = try query.first({ $0.integer(0) }) else {
            throw StoreFault(.SQLITE_CORRUPT, "the gateway's name is gone")
        }
        return GatewayID(number: UInt64(bitPattern: number))
    }

    var isInTransaction: Bool { database.isInsideTransaction }

    // MARK: One ticket

    func row(_ id: TicketID) throws(StoreFault) -> Row? {
        find.bind(1, id)
        return try find.first { query throws(StoreFault) in try Self.row(query) }
    }

    func insert(_ record: TicketRecord, request: [UInt8]?) throws(StoreFault) -> Int64? {
        insertTicket.bind(1, record.id)
        insertTicket.bind(2, Int64(bitPattern: record.owner.number))
        insertTicket.bind(3, record.isOwn)
        insertTicket.bind(4, record.service)
        insertTicket.bind(5, record.round)
        insertTicket.bind(6, record.created)
        if let request { insertTicket.bind(7, request) } else { insertTicket.bind(7, Int64?.none) }
        bind(record, to: insertTicket, from: 8)
        insertTicket.bind(17, record.reservedBytes)
        return try insertTicket.only { $0.integer(0) }
    }

    func update(_ number: Int64, _ record: TicketRecord) throws(StoreFault) {
        updateTicket.bind(1, record.round)
        bind(record, to: updateTicket, from: 2)
        updateTicket.bind(11, number)
        try updateTicket.run()
    }

    private func bind(_ record: TicketRecord, to query: Query, from place: Int32) {
        query.bind(place, record.state.stored)
        query.bind(place + 1, record.expires)
        query.bind(place + 2, record.changed)
        query.bind(place + 3, record.failures)
        query.bind(place + 4, record.notBefore)
        query.bind(place + 5, record.revision)
        query.bind(place + 6, record.isTold)
        query.bind(place + 7, record.requestBytes)
        query.bind(place + 8, record.answerBytes)
    }

    func delete(_ row: Row) throws(StoreFault) {
        if row.record.answerBytes > 0 { try dropAnswer(row.number) }
        deleteTicket.bind(1, row.number)
        try deleteTicket.run()
    }

    func request(_ number: Int64) throws(StoreFault) -> [UInt8] {
        readRequest.bind(1, number)
        return try readRequest.first { $0.bytes(0) } ?? []
    }

    func setRequest(_ number: Int64, _ bytes: [UInt8]?) throws(StoreFault) {
        if let bytes { writeRequest.bind(1, bytes) } else { writeRequest.bind(1, Int64?.none) }
        writeRequest.bind(2, number)
        try writeRequest.run()
    }

    func answer(_ number: Int64) throws(StoreFault) -> [UInt8]? {
        readAnswer.bind(1, number)
        return try readAnswer.first { $0.bytes(0) }
    }

    func setAnswer(_ number: Int64, _ bytes: [UInt8]) throws(StoreFault) {
        writeAnswer.bind(1, number)
        writeAnswer.bind(2, bytes)
        try writeAnswer.run()
    }

    func dropAnswer(_ number: Int64) throws(StoreFault) {
        deleteAnswer.bind(1, number)
        try deleteAnswer.run()
    }

    // MARK: Many

    func forEach(after number: Int64, _ body: (Row) throws(StoreFault) -> Bool) throws(StoreFault) {
        allTickets.bind(1, number)
        try allTickets.forEach { query throws(StoreFault) in try body(try Self.row(query)) }
    }

    func forEachUntold(
        after number: Int64, _ body: (Row) throws(StoreFault) -> Bool
    ) throws(StoreFault) {
        untoldTickets.bind(1, number)
        try untoldTickets.forEach { query throws(StoreFault) in try body(try Self.row(query)) }
    }

    func due(
        _ service: String, now: Int64, countMax: Int, except isTaken: (TicketID) -> Bool
    ) throws(StoreFault) -> [TakenTicket] {
        var found: [TakenTicket] = []
        guard countMax > 0 else { return found }
        dueTickets.bind(1, service)
        dueTickets.bind(2, now)
        try dueTickets.forEach { query throws(StoreFault) in
            let id = try query.id(0)
            if !isTaken(id) { found.append(TakenTicket(id: id, request: query.bytes(1))) }
            return found.count < countMax
        }
        return found
    }

    func nextDue(_ service: String, now: Int64) throws(StoreFault) -> Int64? {
        nextDueTicket.bind(1, service)
        nextDueTicket.bind(2, now)
        return try nextDueTicket.first { $0.integerIfAny(0) } ?? nil
    }

    func oldest(_ service: String) throws(StoreFault) -> Int64? {
        oldestTicket.bind(1, service)
        return try oldestTicket.first { $0.integerIfAny(0) } ?? nil
    }

    /// Ids of what has expired and what need not be remembered any more.
    func past(now: Int64, trace: Int64, countMax: Int) throws(StoreFault) -> [TicketID] {
        var found: [TicketID] = []
        for (query, time) in [(pastAlive, now), (pastTraces, trace)] {
            query.bind(1, time)
            query.bind(2, countMax)
            try query.forEach { query throws(StoreFault) in
                found.append(try query.id(0))
                return true
            }
        }
        return found
    }

    /// Lets the file shrink, a little at a time, where a quarter of it is free.
    func giveBackPages() throws(StoreFault) {
        let free = try freePages.first { $0.int(0) } ?? 0
        guard free > 64, free > (try allPages.first { $0.int(0) } ?? 0) / 4 else { return }
        try shrink.run()
    }

    func totals() throws(StoreFault) -> TicketTotals {
        var totals = TicketTotals()
        try forEach(after: .min) { row in
            totals.add(row.record)
            return true
        }
        return totals
    }

    private static func row(_ query: Query) throws(StoreFault) -> Row {
        Row(
            number: query.integer(0),
            record: TicketRecord(
                id: try query.id(1),
                owner: GatewayID(number: UInt64(bitPattern: query.integer(2))),
                isOwn: query.integer(3) != 0, service: query.text(4),
                state: try TicketState(stored: query.int(5)), round: query.int(6),
                created: query.integer(7), expires: query.integer(8),
                changed: query.integerIfAny(9), failures: query.int(10),
                notBefore: query.integer(11), revision: query.integer(12),
                isTold: query.integer(13) != 0, requestBytes: query.int(14),
                answerBytes: query.int(15), reservedBytes: query.int(16)))
    }
}
