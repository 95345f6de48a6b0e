import Foundation
import Testing

/// What the journal holds of a service whose standard error is the journal's: a real journald, in mounts of its own.
@Suite struct JournalTests {
    /// Runs mserv1 beside a journald of its own, makes a call that fails, and prints the journal as JSON lines.
    private static let script = #"""
        set -euo pipefail
        mount -t tmpfs -o mode=755 tmpfs /run
        mount -t tmpfs tmpfs /var/log
        mkdir -p /run/systemd/journal /run/log/journal /run/systemd/journald.conf.d
        printf '%s\n' '[Journal]' Storage=volatile ReadKMsg=no Audit=no ForwardToWall=no \
            >/run/systemd/journald.conf.d/test.conf
        id=$(tr -d - </proc/sys/kernel/random/uuid)
        echo "$id" >/run/machine-id
        [ -e /etc/machine-id ] || touch /etc/machine-id
        mount --bind /run/machine-id /etc/machine-id
        until_there() { for _ in $(seq 400); do "$@" && return; sleep 0.025; done; return 1; }
        /lib/systemd/systemd-journald 2>/run/journald.err & journald=$!
        trap 'kill $journald' EXIT
        until_there test -S /run/systemd/journal/stdout
        # Debian 12's systemd-cat does not say JOURNAL_STREAM, as the service manager does.
        systemd-cat -t mserv1 sh -c \
            'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"' sh "$SERVICE" & service=$!
        until_there test -S "$PASARELA_MSERV1_SOCKET"
        "$PYTHON" -c "$CALL"
        kill -TERM $service
        wait $service
        journal() { journalctl -D "/run/log/journal/$id" -o json --no-pager; }
        stopped() { journal | grep -q '"MESSAGE":"stopped"'; }
        until_there stopped
        journal
        """#

    private static let call = #"""
        import grpc, os
        channel = grpc.insecure_channel("unix:" + os.environ["PASARELA_MSERV1_SOCKET"])
        ask = channel.unary_unary("/pasarela.v1.ListingService/ListFolder")
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        try:
            ask(b"\x0a\x06\x0a\x04nada", timeout=10, metadata=(("x-request-id", "diario-1"), ("traceparent", trace)))
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
        """#

    @Test(.enabled(if: getuid() == 0, "a journald of its own takes root"))
    func `a failed call is one entry with native fields`() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let result = try run(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", Self.script],
            environment: [
                "SERVICE": Repository.binaries.appending(path: "mserv1").path,
                "PYTHON": Repository.python, "CALL": Self.call, "PASARELA_ROOT": "/usr/share",
                "PASARELA_MSERV1_SOCKET": folder.path + "/mserv1.sock",
            ])
        #expect(result.status == 0, "\(result.errors)")
        let entries = try result.output.split(separator: "\n").map { line in
            try #require(
                try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        let failed = entries.filter { $0["REQUEST_ID"] as? String == "diario-1" }
        #expect(failed.count == 1)
        let expected = [
            "_TRANSPORT": "journal", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "mserv1",
            "RPC_METHOD": "/pasarela.v1.ListingService/ListFolder", "RPC_GRPC_STATUS_CODE": "5",
            "TRACE_ID": "0af7651916cd43dd8448eb211c80319c", "MESSAGE": "call failed: absent",
        ]
        for (field, value) in expected {
            #expect(failed.first?[field] as? String == value, "\(field)")
        }
        #expect((failed.first?["DURATION_US"] as? String).flatMap { Int($0) } != nil)
        let messages = entries.compactMap { $0["MESSAGE"] as? String }
        #expect(messages.contains { $0.hasPrefix("ready: serves /usr/share at ") })
    }
}
