import Foundation
import Testing

/// What the kernel is asked for before a client is promised anything, as strace sees it.
@Suite struct DurabilityTests {
    /// One thing that the gateway did, in the order in which strace saw it done.
    private enum Step: Equatable {
        /// Pages were written into the log of the store (SQLite's WAL).
        case written
        /// What was written is on the disk.
        case synced
        /// A 202 went out.
        case accepted
    }

    @Test func `a ticket is on the disk before its 202 leaves`() throws {
        try withRunningPasarela { pasarela in
            // Nobody answers the tickets, so nothing but their acceptance is written.
            pasarela.end(.mserv1)
            pasarela.end(.gateway)
            let trace = pasarela.folder.url.appending(path: "trace")
            let gateway = try startTraced(pasarela, into: trace)
            defer {
                gateway.terminate()
                gateway.waitUntilExit()
            }
            try wait(for: "the gateway") { try pasarela.curl("/salud").status == 200 }
            let count = 5
            for _ in 0..<count {
                let answer = try pasarela.curl(
                    "/listar_archivos", ["--header", "Prefer: respond-async"])
                #expect(answer.status == 202)
            }
            gateway.terminate()
            gateway.waitUntilExit()
            try wait(for: "the trace") { try text(trace).contains("+++ exited with 0 +++") }

            let steps = steps(try text(trace))
            #expect(steps.filter { $0 == .accepted }.count == count)
            // What came before each 202, but after the one before it.
            let pieces = steps.split(
                separator: .accepted, maxSplits: count, omittingEmptySubsequences: false)
            for piece in pieces.dropLast() {
                #expect(piece.contains(.written) && piece.last == .synced, "\(piece)")
            }
        }
    }

    /// The gateway beneath strace, which leaves the process to be the gateway itself (`-D`).
    private func startTraced(_ pasarela: RunningPasarela, into trace: URL) throws -> Process {
        let gateway = Process()
        gateway.executableURL = URL(filePath: "/usr/bin/env")
        gateway.arguments = [
            "strace", "-D", "-f", "-y", "-s", "64", "-e",
            "trace=write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync", "-e", "signal=none",
            "-o", trace.path, Repository.binaries.appending(path: "gateway").path,
        ]
        var environment = ProcessInfo.processInfo.environment
            .filter { !$0.key.hasPrefix("PASARELA_") }
        environment["PASARELA_RUNTIME_DIR"] = pasarela.runtimeFolder
        environment["PASARELA_STATE_DIR"] = pasarela.folder.path + "/state"
        gateway.environment = environment
        gateway.standardInput = FileHandle.nullDevice
        gateway.standardError = try FileHandle(
            forWritingTo: try pasarela.folder.file("traced.log"))
        try gateway.run()
        return gateway
    }

    private func text(_ file: URL) throws -> String {
        String(decoding: try Data(contentsOf: file), as: UTF8.self)
    }

    /// A call that another thread's interrupts counts where it is done: `<unfinished ...>`, then `resumed`. A 202 counts
    /// where it begins.
    private func steps(_ trace: String) -> [Step] {
        var begun: [Substring: Step] = [:]
        var steps: [Step] = []
        for line in trace.split(separator: "\n") {
            let thread = line.prefix { $0 != " " }
            let call = line.drop { $0 != " " }.drop { $0 == " " }
            let isDone = call.hasSuffix(" = 0") || call.contains(/\) += [1-9]/)
            var step: Step?
            if call.hasPrefix("<... ") {
                step = begun.removeValue(forKey: thread)
            } else if call.contains("backlog.sqlite-wal>") {
                step =
                    call.hasPrefix("fdatasync(") || call.hasPrefix("fsync(")
                    ? .synced : call.hasPrefix("pwrite64(") ? .written : nil
            } else if call.contains("Status: 202") {
                steps.append(.accepted)
                continue
            }
            guard let step else { continue }
            if isDone { steps.append(step) } else { begun[thread] = step }
        }
        return steps
    }
}
