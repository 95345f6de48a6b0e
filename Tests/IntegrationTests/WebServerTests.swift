import Testing

/// The gateway behind Apache, lighttpd, Caddy and HAProxy, each configured as `docs/web-servers.md` shows.
@Suite struct WebServerTests {
    @Test func `other web servers pass on what the gateway says, unaltered`() throws {
        try runPythonSuite("test_servers.py")
    }
}
