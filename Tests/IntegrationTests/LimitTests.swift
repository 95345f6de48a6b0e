import Testing

/// nginx's limits, judged from outside: clients in Python that come from addresses of their own.
@Suite struct LimitTests {
    @Test func `who asks for too much is told so, and nobody else is`() throws {
        try runPythonSuite("test_limits.py", seconds: 300)
    }
}
