import Testing

/// A FastCGI client that sends everything but what it should.
@Suite struct HostilePeerTests {
    @Test func `whatever a FastCGI peer sends, the gateway goes on`() throws {
        try runPythonSuite("test_hostile.py")
    }
}
