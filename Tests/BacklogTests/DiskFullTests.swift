import Foundation
import TestSupport
import Testing

@testable import Backlog

/// A disk of its own that is really full. Mounting one takes root.
@Suite(.enabled(if: geteuid() == 0)) struct DiskFullTests {
    /// A small file system, gone with this.
    private final class SmallDisk {
        private let folder: TemporaryFolder
        let path: String

        init(_ kind: String) throws {
            folder = try TemporaryFolder()
            try folder.folder("disk")
            path = folder.path + "/disk"
            if kind == "tmpfs" {
                try Self.run("mount", ["-t", "tmpfs", "-o", "size=6m", "tmpfs", path])
            } else {
                let image = folder.path + "/image"
                try Self.run("truncate", ["-s", "12M", image])
                try Self.run("mkfs.ext4", ["-q", "-m", "0", image])
                try Self.run("mount", ["-o", "loop", image, path])
            }
        }

        deinit {
            // Lazily: the test's backlog may have it open a little longer.
            do { try Self.run("umount", ["-l", path]) } catch { Issue.record(error) }
        }

        /// Takes all that is left, to the last byte.
        func fill() throws {
            let file = open(path + "/filler", O_WRONLY | O_CREAT | O_APPEND, 0o600)
            try #require(file >= 0)
            defer { close(file) }
            for size in [65_536, 4_096, 1] {
                let bytes = [UInt8](repeating: 0, count: size)
                while write(file, bytes, size) == size {}
            }
            fsync(file)
        }

        func free() { unlink(path + "/filler") }

        private static func run(_ command: String, _ arguments: [String]) throws {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
            process.arguments = [command] + arguments
            try process.run()
            process.waitUntilExit()
            try #require(process.terminationStatus == 0, "\(command) \(arguments)")
        }
    }

    private func isFull(_ body: () throws -> Void) -> Bool {
        do {
            try body()
            return false
        } catch {
            return (error as? BacklogError)?.code == .full
        }
    }

    @Test(arguments: ["tmpfs", "ext4"])
    func `a full disk refuses, keeps what it has, and works again when there is place`(
        kind: String
    ) throws {
        let disk = try SmallDisk(kind)
        let request = [UInt8](repeating: 0x61, count: 3_000)
        var kept: [TicketID] = []
        do {
            let test = try TestBacklog(in: disk.path)
            for _ in 0..<20 {
                kept.append(try test.backlog.accept(service: "mserv1", request: request).id)
            }
            try disk.fill()
            // The log may have a little place left in it; then there is none.
            var refused = 0
            for _ in 0..<3_000 {
                guard
                    isFull({
                        kept.append(
                            try test.backlog.accept(service: "mserv1", request: request).id)
                    })
                else { continue }
                refused += 1
                if refused == 20 { break }
            }
            #expect(refused == 20)
            #expect(test.backlog.figures().refused == 20)
            if case .full = test.backlog.figures().storeState {
            } else {
                Issue.record("a full disk is not told: \(test.backlog.figures().storeState)")
            }
            #expect(test.log.lines.count { $0.contains("No ticket is taken") } == 1)
            #expect(test.backlog.figures().accepted == kept.count)
            #expect(test.backlog.figures().waiting["mserv1"] == kept.count)
            // Reading goes on.
            for id in kept { #expect(try test.backlog.ticket(id)?.state == .waiting) }

            // Many at once, none of which gets in.
            let backlog = test.backlog
            concurrently(
                Array(
                    repeating: {
                        #expect(throws: BacklogError.self) {
                            try backlog.accept(service: "mserv1", request: request)
                        }
                    }, count: 32))

            // An answer that can't be kept is asked for again, not lost.
            test.backlog.tell("mserv1", isWell: true)
            #expect(test.daemon.waitUntilAsked(4))
            disk.free()
            kept.append(try test.backlog.accept(service: "mserv1", request: request).id)
            for id in kept {
                #expect(try test.ended(id) == .answered)
                #expect(try test.backlog.ticket(id)?.failures == 0)
            }
            // Seen although nobody asks for anything.
            #expect(eventually { test.backlog.figures().storeState == .open })
        }
        let test = try TestBacklog(in: disk.path)
        #expect(try test.backlog.list(state: nil, after: nil, limit: 1_000).map(\.id) == kept)
        for id in kept {
            #expect(try test.backlog.answer(id)?.answer == request.reversed())
        }
    }

    @Test func `a start on a full disk is refused in one line, or works`() throws {
        let disk = try SmallDisk("tmpfs")
        try disk.fill()
        do {
            _ = try TestBacklog(in: disk.path)
            Issue.record("there is no place for a database")
        } catch let error as BacklogError {
            #expect(error.code == .full && !error.message.contains("\n"))
        }
        disk.free()
        _ = try TestBacklog(in: disk.path)
    }
}
