import Foundation
import Glibc
import Logging
import Synchronization
import Systemd
import TestSupport
import Testing

@Suite struct StandardErrorLogHandlerTests {
    /// What a body writes to standard error. The body runs on a thread whose descriptors are its own (unshare(2)), so
    /// nobody else's standard error changes.
    private static func standardError(_ body: @escaping @Sendable () -> Void) throws -> String {
        typealias Unshare = @convention(c) (CInt) -> CInt
        // glibc declares it under _GNU_SOURCE only, which Swift's importer does not set.
        let unshare = unsafeBitCast(try #require(dlsym(nil, "unshare")), to: Unshare.self)
        let filesOfTheThread: CInt = 0x400  // CLONE_FILES
        let written = Mutex<[UInt8]?>(nil)
        concurrently([
            {
                guard unshare(filesOfTheThread) == 0 else { return }
                var ends: [CInt] = [-1, -1]
                guard pipe(&ends) == 0, dup2(ends[1], STDERR_FILENO) == STDERR_FILENO else {
                    return
                }
                close(ends[1])
                body()
                close(STDERR_FILENO)
                var bytes = [UInt8](repeating: 0, count: 65_536)
                let count = read(ends[0], &bytes, bytes.count)
                close(ends[0])
                written.withLock { $0 = Array(bytes.prefix(max(count, 0))) }
            }
        ])
        return String(decoding: try #require(written.withLock { $0 }), as: UTF8.self)
    }

    private static func logger(_ level: Logger.Level = .info) -> Logger {
        Logger(label: "test") { _ in StandardErrorLogHandler(identifier: "mserv9", level: level) }
    }

    @Test func `an event is one line: time, level, who, message, fields in order`() throws {
        let before = Date()
        let text = try Self.standardError {
            var log = Self.logger()
            log[metadataKey: "ROUTE"] = "/own"
            log.warning("hello", metadata: ["B": "2", "A": "1", "ROUTE": "/given"])
        }
        let time = try #require(text.firstMatch(of: #/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d{3}Z /#))
        let seconds = try Date("\(time.1)Z", strategy: .iso8601)
        #expect((-1...60).contains(seconds.timeIntervalSince(before)))
        #expect(text.dropFirst(time.0.count) == "warning mserv9: hello A=1 B=2 ROUTE=/given\n")
    }

    @Test func `no message and no field makes a second line`() throws {
        let text = try Self.standardError {
            Self.logger().error("a\nb\u{1B}", metadata: ["KEY": "c\r\nd"])
        }
        #expect(text.hasSuffix(" error mserv9: a\\x0ab\\x1b KEY=c\\x0d\\x0ad\n"))
        #expect(text.filter { $0.isNewline }.count == 1)
    }

    @Test func `what is below the level is not written`() throws {
        let text = try Self.standardError {
            Self.logger(.notice).info("no")
            Self.logger(.notice).notice("yes")
        }
        #expect(text.contains("yes") && !text.contains("no\n"))
    }

    @Test func `lines of many threads don't mix`() throws {
        let text = try Self.standardError {
            let log = Self.logger()
            // These threads share the descriptors of the thread that starts them.
            concurrently(
                (0..<8).map { thread in
                    {
                        for _ in 0..<20 {
                            log.info("\(String(repeating: "\(thread)", count: 200))")
                        }
                    }
                })
        }
        let lines = text.split(separator: "\n")
        #expect(lines.count == 160)
        #expect(lines.allSatisfy { $0.hasSuffix(String(repeating: $0.last ?? "?", count: 200)) })
    }
}
