import Testing

/// More clients than workers, a hundred thousand connections, restarts, clients that are slow on purpose.
@Suite struct EnduranceTests {
    @Test func `nobody is lost, nothing is left behind, slow clients hurt nobody else`() throws {
        try runPythonSuite("test_endurance.py")
    }
}
