import Foundation
import RabbitMQ
import TestSupport
import Testing
import Threads

@testable import Backlog

/// A process that dies at every place in a ticket's life, and the next one that finds what it left.
///
/// The process is this test program itself, asked for one test alone: it lives a ticket's life, and writes down what a
/// client would have been told.
@Suite struct KilledProcessTests {
    /// In the environment: the folder that the child works in.
    private static let folderVariable = "PASARELA_TEST_CHILD_FOLDER"

    /// What a client was told, a line each, in a file that survives.
    private struct Notes {
        let path: String

        func write(_ line: String) throws {
            let file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
            try #require(file >= 0)
            defer { close(file) }
            let bytes = Array((line + "\n").utf8)
            try #require(Glibc.write(file, bytes, bytes.count) == bytes.count)
        }

        var lines: [[String]] {
            // Nothing was told yet.
            let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
            return text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        }
    }

    @Test func `child`() throws {
        guard let path = ProcessInfo.processInfo.environment[Self.folderVariable] else { return }
        if let point = ProcessInfo.processInfo.environment["PASARELA_FAIL_POINT"] {
            try #require(FailPoint.arm(point))
        }
        let notes = Notes(path: path + "/notes")
        let courier = HeldCourier()
        let test = try TestBacklog(in: path, courier: courier) { $0.attemptsMax = 1 }
        test.daemon.answers { request, _ in
            request == bytes("bad") ? .failed(bytes("failure")) : echo(request)
        }
        func accept(_ text: String, _ service: String) throws -> TicketID {
            let id = try test.accept(text, service: service)
            FailPoint.replyBefore.pass()
            try notes.write("accepted \(id) \(text)")
            return id
        }
        let first = try accept("one", "mserv1")
        let second = try accept("two", "mserv1")
        let third = try accept("three", "mserv2")
        let bad = try accept("bad", "mserv1")
        let late = try accept("late", "mserv2")

        FailPoint.outboxRead.pass()
        let items = try courier.post.outbox(after: nil, countMax: 99, bytesMax: 1 << 20)
        try courier.post.told(items.map { ($0.news.id, $0.news.revision) })

        try notes.write("deleting \(third)")
        #expect(try test.backlog.delete(third))
        try notes.write("deleted \(third)")

        test.backlog.tell("mserv1", isWell: true)
        for id in [first, second] {
            #expect(try test.ended(id) == .answered)
            try notes.write("answered \(id)")
        }
        #expect(try test.ended(bad) == .failed)
        #expect(try test.backlog.retry(bad))

        var theirs = items[0].news
        theirs.id = TicketID()
        try courier.post.merge([theirs])
        let outcomes = Outcomes()
        try courier.post.offer(theirs, done: outcomes.done)
        #expect(try test.ended(theirs.id) == .answered)

        try notes.write("expiring")
        test.clock.advance(86_400_000)
        #expect(eventually { test.backlog.figures().expired > 0 })
        #expect(try test.backlog.ticket(late)?.state == .expired)
        try notes.write("end")
    }

    private func runChild(
        _ folder: String, failPoint: String? = nil, under tool: [String] = []
    ) throws -> Process {
        var arguments: [String] = []
        var isFilter = false
        // Its own filters would come on top.
        for argument in CommandLine.arguments.dropFirst() {
            if isFilter || argument == "--filter" || argument == "--skip" {
                isFilter.toggle()
            } else if !argument.hasPrefix("--filter=") && !argument.hasPrefix("--skip=") {
                arguments.append(argument)
            }
        }
        arguments += ["--filter", "KilledProcessTests/child"]
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let command = tool + [own] + arguments
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        var environment = ProcessInfo.processInfo.environment
        environment[Self.folderVariable] = folder
        environment["PASARELA_FAIL_POINT"] = failPoint
        process.environment = environment
        let output = FileHandle(forWritingAtPath: "/dev/null")
        process.standardOutput = output
        process.standardError = output
        try process.run()
        process.waitUntilExit()
        return process
    }

    /// Those that a backlog without a broker passes; the courier's are hit where there is one.
    private static let points: [FailPoint] = [
        .acceptBefore, .acceptWritten, .acceptCommitted, .replyBefore, .commitBefore,
        .commitAfter, .replayTaken, .replayCallBefore, .replayCallAfter, .outcomeWritten,
        .outcomeCommitted, .deleteWritten, .deleteCommitted, .expiryWritten, .retryWritten,
        .outboxRead, .toldWritten, .toldCommitted, .mergeWritten, .mergeCommitted, .offerCommitted,
    ]

    @Test func `a life without a kill goes to its end`() throws {
        let folder = try TemporaryFolder()
        let child = try runChild(folder.path)
        #expect(child.terminationStatus == 0)
        #expect(Notes(path: folder.path + "/notes").lines.last == ["end"])
    }

    @Test(arguments: Self.points, [1, 2])
    func `a kill there loses nothing that was promised`(point: FailPoint, passing: Int) throws {
        let folder = try TemporaryFolder()
        let child = try runChild(folder.path, failPoint: "\(point.rawValue):\(passing)")
        let lines = Notes(path: folder.path + "/notes").lines
        // Not every place is passed twice.
        if lines.last != ["end"] || passing == 1 {
            #expect(child.terminationReason == .uncaughtSignal)
            #expect(child.terminationStatus == SIGKILL)
        }

        let test = try TestBacklog(in: folder.path, courier: HeldCourier())
        test.backlog.tell("mserv1", isWell: true)
        test.backlog.tell("mserv2", isWell: true)
        let deleted = Set(lines.filter { $0.first == "deleted" }.map { $0[1] })
        for line in lines where line.first == "accepted" {
            let id = try #require(TicketID(line[1]))
            guard !deleted.contains(line[1]) else {
                #expect(try test.backlog.ticket(id) == nil)
                continue
            }
            switch try test.ended(id) {
            case nil:
                // The deletion was committed, and nobody was told.
                #expect(lines.contains(["deleting", line[1]]))
            case .expired:
                let isLate = lines.contains(["expiring"])
                #expect(isLate)
            case let state:
                #expect(state == .answered || state == .failed && line[2] == "bad")
                let answer = try #require(try test.backlog.answer(id))
                #expect(answer.request == bytes(line[2]))
                #expect(
                    answer.answer
                        == (state == .failed ? bytes("failure") : bytes(line[2]).reversed()))
            }
        }
        // What was not promised is whole or not there.
        for ticket in try test.backlog.list(state: nil, after: nil, limit: 100)
        where ticket.isOwn && ticket.state != .expired {
            #expect(try [.answered, .failed].contains(test.ended(ticket.id)))
        }
        #expect(
            try test.backlog.list(state: nil, after: nil, limit: 100).count(where: \.isOwn)
                <= 5)
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/strace")))
    func `fdatasync comes before a ticket is promised`() throws {
        let folder = try TemporaryFolder()
        let trace = folder.path + "/trace"
        let child = try runChild(
            folder.path,
            under: [
                "/usr/bin/strace", "-f", "-y", "-e", "trace=fdatasync,fsync,write", "-o", trace,
            ])
        #expect(child.terminationStatus == 0)
        var synced = 0
        var promised = 0
        var syncedAtPromise = 0
        for line in try String(contentsOfFile: trace, encoding: .utf8).split(separator: "\n") {
            if line.contains("fdatasync("), line.contains("backlog.sqlite-wal") { synced += 1 }
            if line.contains("write("), line.contains("accepted ") {
                promised += 1
                #expect(synced > syncedAtPromise)
                syncedAtPromise = synced
            }
        }
        #expect(promised == 5)
    }
}
