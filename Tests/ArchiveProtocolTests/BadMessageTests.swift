import FileModel
import Foundation
import RPC
import SwiftProtobuf
import Synchronization
import Testing

@testable import ArchiveProtocol

@Suite struct BadMessageTests {
    typealias Listing = Pasarela_V1_ListFolderRequest
    typealias Search = Pasarela_V1_SearchNamesRequest

    /// The services, whose handlers must never be reached.
    private static func handlers() -> [String: RPCHandler] {
        let listing = ListingProtocol.handlers { (_, _, _) throws(RPCError) in
            EntryPage()
        } stream: { (_, _, _, _) throws(RPCError) in
            StreamEnd(isComplete: true, notices: [])
        }
        let search = SearchProtocol.handlers { (_, _, _, _) throws(RPCError) in
            EntryPage()
        } stream: { (_, _, _, _, _) throws(RPCError) in
            StreamEnd(isComplete: true, notices: [])
        }
        return listing.merging(search) { $1 }
    }

    private static func place(_ name: Data, _ folder: Data = Data()) -> Pasarela_V1_Position {
        .with { ($0.name, $0.folder) = (name, folder) }
    }

    private static let bad: [@Sendable (inout Listing) -> Void] = [
        { $0.limit = 1_001 }, { $0.limit = .max },
        { $0.after = place(Data()) }, { $0.after = place(Data([0x61, 0])) },
        { $0.after = place(Data(repeating: 0x61, count: 256)) },
        { $0.after = place(Data([0x61]), Data([0x62, 0])) },
        { $0.after = place(Data([0x61]), Data(repeating: 0x61, count: 4_096)) },
        { $0.query.path = Data([0x61, 0]) },
        { $0.query.path = Data(repeating: 0x61, count: 4_096) },
        { $0.query.order = .UNRECOGNIZED(9) }, { $0.query.kinds = [.file, .UNRECOGNIZED(5)] },
        { $0.query.kinds = [.unspecified] }, { $0.query.kinds = [.UNRECOGNIZED(257)] },
        { $0.query.kinds = [.UNRECOGNIZED(-1)] },
    ]

    @Test func `a bad question is refused before anyone looks at the tree`() throws {
        try ServedProtocol.run(Self.handlers()) { channel in
            for (index, change) in Self.bad.enumerated() {
                var message = Listing()
                change(&message)
                let bytes = try encode(message)
                let error = errorOf { () throws(RPCError) in
                    try channel.call(ListingProtocol.page, bytes, deadline: .ample)
                }
                #expect(error?.code == .invalidArgument, "\(index): \(message)")
                var search = Search()
                search.query = message.query
                search.limit = message.limit
                if message.hasAfter { search.after = message.after }
                let searchBytes = try encode(search)
                let other = errorOf { () throws(RPCError) in
                    try channel.call(SearchProtocol.page, searchBytes, deadline: .ample)
                }
                #expect(other?.code == .invalidArgument, "\(index): \(message)")
            }
        }
    }

    @Test(arguments: ["", " ", "\"", "a|b", "ext:pdf", String(repeating: "a", count: 1_025)])
    func `a text that can't be read is refused`(text: String) throws {
        try ServedProtocol.run(Self.handlers()) { channel in
            let bytes = try encode(Search.with { $0.text = text })
            let error = errorOf { () throws(RPCError) in
                try channel.call(SearchProtocol.page, bytes, deadline: .ample)
            }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test func `bytes that are no message are refused`() throws {
        try ServedProtocol.run(Self.handlers()) { channel in
            for method in [ListingProtocol.page, SearchProtocol.page] {
                let error = errorOf { () throws(RPCError) in
                    try channel.call(method, [0x0A, 0xFF, 0xFF], deadline: .ample)
                }
                #expect(error?.code == .invalidArgument)
            }
        }
    }

    @Test func `no limit is a hundred, no order the natural one`() throws {
        let unset: UInt32 = 0
        let request = try PageRequest(limit: unset, after: Pasarela_V1_Position?.none)
        #expect(request.limit == 100 && request.after == nil)
        let query = try EntryQuery(Pasarela_V1_EntryQuery())
        #expect(query.order == ListOrder(.natural) && query.kinds == .all)
    }

    @Test func `a stream of an unknown order, or without one behind a place, is refused`() throws {
        let unknown = Pasarela_V1_StreamFolderRequest.with { $0.query.order = .UNRECOGNIZED(9) }
        let behind = Pasarela_V1_StreamFolderRequest.with { $0.after.name = Data([0x61]) }
        let nowhere = Pasarela_V1_StreamFolderRequest.with { message in
            message.query.order = .name
            message.after.name = Data([0])
        }
        try ServedProtocol.run(Self.handlers()) { channel in
            for message in [unknown, behind, nowhere] {
                let bytes = try encode(message)
                let error = errorOf { () throws(RPCError) in
                    try channel.stream(ListingProtocol.stream, bytes, deadline: .ample) { _ in }
                }
                #expect(error?.code == .invalidArgument)
            }
        }
    }

    @Test func `an answer that can't be read is an internal error of ours`() throws {
        let answer = Mutex<[UInt8]>([])
        let handlers: [String: RPCHandler] = [
            ListingProtocol.page: .unary { (_, _) throws(RPCError) in answer.withLock { $0 } }
        ]
        let columns = Pasarela_V1_ListFolderResponse.with { $0.entries.kinds = Data([1]) }
        let position = Pasarela_V1_ListFolderResponse.with { $0.next = Self.place(Data([0])) }
        let query = EntryQuery(
            path: .root, order: ListOrder(.natural), kinds: .all, includesHidden: false)
        try ServedProtocol.run(handlers) { channel in
            for bytes in [[0x0A, 0xFF], try encode(columns), try encode(position)] {
                answer.withLock { $0 = bytes }
                let error = errorOf { () throws(RPCError) in
                    try ListingProtocol.page(
                        query, PageRequest(limit: 1, after: nil), from: channel,
                        metadata: RPCMetadata(), deadline: .ample)
                }
                #expect(error?.code == .internalError, "\(bytes)")
            }
        }
    }
}
