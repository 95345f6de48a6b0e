import FileModel
import Synchronization
import TestSupport
import Testing

@testable import ArchiveProtocol
@testable import RPC

@Suite struct RoundTripTests {
    private static let rounds = 300

    @Test func `a listing's question and answer arrive as they were sent`() throws {
        var random = SeededGenerator(announcedFor: "a listing arrives as it was sent")
        let asked = Mutex<(EntryQuery, PageRequest)?>(nil)
        let answer = Mutex(EntryPage())
        let handlers = ListingProtocol.handlers { (_, query, request) throws(RPCError) in
            asked.withLock { $0 = (query, request) }
            return answer.withLock { $0 }
        } stream: { (_, _, _) throws(RPCError) in
            throw RPCError(.unimplemented, "")
        }
        try ServedProtocol.run(handlers) { channel in
            for _ in 0..<Self.rounds {
                let (query, request) = (random.query(), random.request())
                let page = random.page(isSearch: false)
                answer.withLock { $0 = page }
                let got = try ListingProtocol.page(
                    query, request, from: channel, metadata: RPCMetadata(), deadline: .ample)
                let arrived = try #require(asked.withLock { $0 })
                try #require(arrived.0 == query && arrived.1 == request)
                try #require(got == page)
            }
        }
    }

    @Test func `a search's question and answer arrive as they were sent`() throws {
        var random = SeededGenerator(announcedFor: "a search arrives as it was sent")
        let asked = Mutex<(EntryQuery, NameQuery?, PageRequest)?>(nil)
        let answer = Mutex(EntryPage())
        let handlers = SearchProtocol.handlers { (_, query, text, request) throws(RPCError) in
            asked.withLock { $0 = (query, text, request) }
            return answer.withLock { $0 }
        } stream: { (_, _, _, _) throws(RPCError) in
            throw RPCError(.unimplemented, "")
        }
        try ServedProtocol.run(handlers) { channel in
            for _ in 0..<Self.rounds {
                let (query, request) = (random.query(), random.request())
                let longest = String(repeating: "ñ", count: NameQuery.byteCountMax / 2)
                let text = random.pick([nil, "camión -\"a b\"", "*.pdf", longest])
                let expected = try text.map { try NameQuery($0) }
                let page = random.page(isSearch: true)
                answer.withLock { $0 = page }
                let got = try SearchProtocol.page(
                    query, text: text, request, from: channel, metadata: RPCMetadata(),
                    deadline: .ample)
                let arrived = try #require(asked.withLock { $0 })
                try #require(arrived.0 == query && arrived.2 == request)
                try #require(arrived.1 == expected)
                try #require(got == page)
            }
        }
    }

    @Test func `a stream's pieces are followed by its end with their count`() throws {
        var random = SeededGenerator(announcedFor: "a stream's pieces are followed by its end")
        let query = random.query(streamed: true)
        let pieces = (0..<5).map { _ in random.batch(isSearch: false) }
        let notices = [random.notice(), random.notice()]
        let handlers = ListingProtocol.handlers { (_, _, _) throws(RPCError) in
            throw RPCError(.unimplemented, "")
        } stream: { (_, asked, send) throws(RPCError) in
            guard asked == query else { throw RPCError(.invalidArgument, "another query") }
            for piece in pieces where !send(piece) { break }
            return StreamEnd(isComplete: false, notices: notices)
        }
        try ServedProtocol.run(handlers) { channel in
            var message = Pasarela_V1_StreamFolderRequest()
            message.query = query.message
            message.query.order = .none
            var got: [Pasarela_V1_StreamFolderResponse] = []
            try channel.stream(
                ListingProtocol.stream, try encode(message), deadline: .ample
            ) { (bytes) throws(RPCError) in
                got.append(try decode(bytes))
            }
            let batches = try got.dropLast().map { try EntryBatch($0.entries) }
            #expect(batches == pieces)
            let end = try #require(got.last)
            #expect(end.hasEnd && !end.hasEntries)
            #expect(end.end.count == UInt64(pieces.reduce(0) { $0 + $1.count }))
            #expect(!end.end.complete)
            #expect(end.end.notices.map(Notice.init(message:)) == notices)
        }
    }

    @Test(arguments: FileError.Code.allCases)
    func `an error of the tree survives the way, one of the machine is told as such`(
        code: FileError.Code
    ) {
        let error = RPCError(FileError(code, "openat2: secret of the operator"))
        #expect(!error.message.contains("secret"))
        switch code {
        case .noResources:
            #expect(error.code == .resourceExhausted && FileError.Code(error) == nil)
        case .cancelled: #expect(error.code == .cancelled && FileError.Code(error) == nil)
        case .treeAbsent: #expect(error.code == .aborted && FileError.Code(error) == nil)
        case .failed: #expect(error.code == .internalError && FileError.Code(error) == nil)
        default: #expect(FileError.Code(error) == code)
        }
    }

    @Test func `a notice of a newer daemon is read as a failure to read`() {
        var message = Notice(.outOfTime).message
        message.code = .UNRECOGNIZED(77)
        #expect(Notice(message: message) == Notice(.readError))
        message.code = .UNRECOGNIZED(257)
        #expect(Notice(message: message) == Notice(.readError))
    }
}
