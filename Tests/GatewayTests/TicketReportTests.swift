import Backlog
import Foundation
import RPC
import SwiftProtobuf
import TestSupport
import Testing

@testable import gateway

@Suite struct TicketReportTests {
    private func ticket(from random: inout SeededGenerator) -> Ticket {
        func time() -> Int64 { Int64(random.number(in: -1...4_000_000_000_000)) }
        return Ticket(
            id: TicketID(), service: random.pick(["mserv1", "mserv2", "", "ñ"]),
            state: random.pick(TicketState.allCases), created: time(), expires: time(),
            changed: random.oneIn(2) ? nil : time(), failures: random.number(in: 0...9),
            isOwn: random.oneIn(2), isBeingProcessed: random.oneIn(2),
            requestBytes: random.number(in: 0...1 << 40),
            answerBytes: random.number(in: 0...1 << 40))
    }

    @Test func `a ticket is the same after its way through a message`() throws {
        var random = SeededGenerator(announcedFor: "a ticket through a message")
        for _ in 0..<2_000 {
            let ticket = ticket(from: &random)
            let bytes = try BacklogProtocol.encode(ticket.message)
            let read: Pasarela_Administration_V1_Ticket = try BacklogProtocol.decode(bytes)
            #expect(try Ticket(read) == ticket)
        }
    }

    @Test func `a message that is no ticket is refused, whatever its bytes`() throws {
        var random = SeededGenerator(announcedFor: "a message that is no ticket")
        for _ in 0..<5_000 {
            var bytes = try BacklogProtocol.encode(ticket(from: &random).message)
            for _ in 0...random.number(in: 0...3) {
                bytes[random.number(in: 0...(bytes.count - 1))] = UInt8(random.number(in: 0...255))
            }
            // It is read or refused; neither ends the process.
            let read: Pasarela_Administration_V1_Ticket? = try? BacklogProtocol.decode(bytes)
            if let read { _ = try? Ticket(read) }
        }
        #expect(throws: RPCError.self) {
            try Ticket(Pasarela_Administration_V1_Ticket.with { $0.id = "x" })
        }
        #expect(throws: RPCError.self) {
            try Ticket(Pasarela_Administration_V1_Ticket.with { $0.id = "\(TicketID())" })
        }
    }

    @Test func `JSON of any tickets is JSON`() throws {
        var random = SeededGenerator(announcedFor: "JSON of any tickets")
        let tickets = (0..<100).map { _ in ticket(from: &random) }
        let text = TicketReport.json(tickets, hasMore: true)
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        let read = try #require(object?["tickets"] as? [[String: Any]])
        #expect(read.compactMap { $0["id"] as? String } == tickets.map(\.id.description))
        #expect(read.compactMap { $0["request_bytes"] as? Int } == tickets.map(\.requestBytes))
        let none = try JSONSerialization.jsonObject(
            with: Data(TicketReport.json([], hasMore: false).utf8))
        #expect((none as? [String: Any])?["more"] as? Bool == false)
    }

    @Test func `the table is what it was`() {
        let id = TicketID("0123456789abcdef0123456789abcdef")
        let tickets = [(TicketState.waiting, true, 12), (.failed, false, 34_567)].compactMap {
            (state, isOwn, bytes) in
            id.map {
                Ticket(
                    id: $0, service: "mserv1", state: state, created: 1_764_000_000_999,
                    expires: 1_764_086_400_000, changed: nil, failures: isOwn ? 0 : 5,
                    isOwn: isOwn, isBeingProcessed: false, requestBytes: bytes, answerBytes: 0)
            }
        }
        #expect(
            TicketReport.table(tickets) == """
                TICKET                            DAEMON  STATE    CREATED               EXPIRES               FAILURES  BYTES  GATEWAY
                0123456789abcdef0123456789abcdef  mserv1  waiting  2025-11-24T16:00:00Z  2025-11-25T16:00:00Z         0     12  own
                0123456789abcdef0123456789abcdef  mserv1  failed   2025-11-24T16:00:00Z  2025-11-25T16:00:00Z         5  34567  other

                """)
    }

    @Test(arguments: [
        ("plain ñ 日本", "plain ñ 日本"), ("a\u{1B}[31mb", "a\\u{1b}[31mb"),
        ("a\nb\r\t\0", "a\\u{a}b\\u{d}\\u{9}\\u{0}"),
        ("\u{9B}x\u{7F}", "\\u{9b}x\\u{7f}"), ("a\u{202E}b\u{2028}", "a\\u{202e}b\\u{2028}"),
    ])
    func `nothing that a terminal would act on reaches it`(text: String, shown: String) {
        #expect(TicketReport.shown(text) == shown)
    }
}
