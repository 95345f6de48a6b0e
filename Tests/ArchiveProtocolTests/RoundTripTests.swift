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
        } stream: { (_, _, _, _) throws(RPCError) in
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
        } stream: { (_, _, _, _, _) throws(RPCError) in
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

    @Test func `a folder's stream arrives as it was sent, with its end`() throws {
        var random = SeededGenerator(announcedFor: "a folder's stream arrives")
        for order in [StreamOrder.unsorted, .sorted(after: nil), .sorted(after: random.position())]
        {
            let query = random.query(streamed: true)
            let pieces = (0..<5).map { _ in random.batch(isSearch: false) }
            let sent = StreamEnd(isComplete: false, notices: [random.notice(), random.notice()])
            let handlers = ListingProtocol.handlers { (_, _, _) throws(RPCError) in
                throw RPCError(.unimplemented, "")
            } stream: { (_, asked, askedOrder, send) throws(RPCError) in
                guard asked == query, askedOrder == order else {
                    throw RPCError(.invalidArgument, "another query")
                }
                for (index, piece) in pieces.enumerated() where !send(piece, index == 0) { break }
                return sent
            }
            try ServedProtocol.run(handlers) { channel in
                let stream = try ListingProtocol.stream(
                    query, in: order, from: channel, metadata: RPCMetadata(), deadline: .ample)
                for (index, piece) in pieces.enumerated() {
                    guard
                        case .entries(let got, let isOfOneEntry) = try stream.next(
                            within: .seconds(20))
                    else { throw RPCError(.internalError, "an end too soon") }
                    #expect(got == piece && isOfOneEntry == (index == 0))
                }
                guard case .end(let end, let count) = try stream.next(within: .seconds(20)) else {
                    throw RPCError(.internalError, "no end")
                }
                #expect(end == sent && count == UInt64(pieces.reduce(0) { $0 + $1.count }))
            }
        }
    }

    @Test func `a search's stream arrives as it was sent, with its end`() throws {
        var random = SeededGenerator(announcedFor: "a search's stream arrives")
        let query = random.query(streamed: true)
        let piece = random.batch(isSearch: true)
        let handlers = SearchProtocol.handlers { (_, _, _, _) throws(RPCError) in
            throw RPCError(.unimplemented, "")
        } stream: { (_, asked, text, order, send) throws(RPCError) in
            guard asked == query, text != nil, order == .unsorted else {
                throw RPCError(.invalidArgument, "another query")
            }
            _ = send(piece)
            return StreamEnd(isComplete: true, notices: [])
        }
        try ServedProtocol.run(handlers) { channel in
            let stream = try SearchProtocol.stream(
                query, text: "x", in: .unsorted, from: channel, metadata: RPCMetadata(),
                deadline: .ample)
            guard case .entries(let got, false) = try stream.next(within: .seconds(20)),
                case .end(let end, _) = try stream.next(within: .seconds(20))
            else { throw RPCError(.internalError, "another stream") }
            #expect(got == piece && end.isComplete)
        }
    }

    @Test func `a stream without its end, or with another count, is an error`() throws {
        let messages = Mutex<[[UInt8]]>([])
        let handlers: [String: RPCHandler] = [
            ListingProtocol.stream: .serverStreaming { (_, _, writer) throws(RPCError) in
                for message in messages.withLock({ $0 }) { try writer.send(message) }
            }
        ]
        var message = Pasarela_V1_StreamFolderResponse()
        message.end.count = 1
        let end = try encode(message)
        var random = SeededGenerator(announcedFor: "a stream without its end")
        let query = random.query(streamed: true)
        message.end.count = 0
        let right = try encode(message)
        for sent in [[], [end], [[0x0A, 0xFF]], [right, right]] {
            messages.withLock { $0 = sent }
            try ServedProtocol.run(handlers) { channel in
                let stream = try ListingProtocol.stream(
                    query, in: .unsorted, from: channel, metadata: RPCMetadata(), deadline: .ample)
                let error = errorOf { () throws(RPCError) in
                    _ = try stream.next(within: .seconds(20))
                }
                #expect(error?.code == .internalError)
            }
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
