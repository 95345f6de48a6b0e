import Testing

/// Streamed answers, judged from outside: clients in Python that read them fast, slowly, not at all, or go away.
@Suite struct StreamTests {
    @Test func `a stream is everything, costs no memory, and says how it ended`() throws {
        try runPythonSuite("test_streams.py")
    }
}
