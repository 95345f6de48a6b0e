private import Glibc
private import Systemd

extension Settings {
    /// The variable that names the file. Where it is set, a service reads the file at its start and whenever it is told
    /// to reload; what the file says wins over the environment, as with systemd's `EnvironmentFile=`.
    static let fileVariable = "PASARELA_CONFIGURATION_FILE"

    /// The same, for the help.
    static let file = Setting.optionalPath(
        fileVariable, fallback: nil,
        purpose: "a file with lines NAME=value, which win over the environment; SIGHUP "
            + "reads it again")

    /// No configuration is longer; what is, is the wrong file.
    static let fileBytesMax = 1 << 20

    /// These settings with those of the file that they name.
    ///
    /// A line is `PASARELA_NAME=value`, empty, or begins with `#`. The value is what follows the `=`, without blanks at
    /// either end; a pair of quotes around all of it is left out.
    ///
    /// - Throws: ``Flaw`` that names the line.
    public func withFile() throws(Flaw) -> Settings {
        guard let path = self[foreign: Self.fileVariable], !path.isEmpty else { return self }
        var environment = self.environment
        let text = try Self.read(path)
        // "\r\n" is one character.
        let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        for (index, line) in lines.enumerated() {
            let line = Self.trimmed(line)
            if line.isEmpty || line.hasPrefix("#") { continue }
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = Self.trimmed(parts[0])
            guard parts.count == 2, name.hasPrefix("PASARELA_"), name != Self.fileVariable else {
                throw Flaw(
                    Self.fileVariable,
                    "\(path), line \(index + 1): takes PASARELA_NAME=value; begins with "
                        + "\(name.prefix(40))")
            }
            environment[String(name)] = Self.unquoted(Self.trimmed(parts[1]))
        }
        return Settings(environment)
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let blanks: Set<Character> = [" ", "\t", "\r"]
        var text = text.drop { blanks.contains($0) }
        while let last = text.last, blanks.contains(last) { text.removeLast() }
        return text
    }

    private static func unquoted(_ text: Substring) -> String {
        if let first = text.first, text.count >= 2, text.last == first,
            first == "\"" || first == "'"
        {
            return String(text.dropFirst().dropLast())
        }
        return String(text)
    }

    private static func read(_ path: String) throws(Flaw) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            throw Flaw(fileVariable, "\(path): \(String(cString: strerror(errno)))")
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 64 * 1_024)
        while true {
            let count = Glibc.read(file, &block, block.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw Flaw(fileVariable, "\(path): \(String(cString: strerror(errno)))")
            }
            if count == 0 { break }
            bytes += block.prefix(count)
            guard bytes.count <= fileBytesMax else {
                throw Flaw(fileVariable, "\(path): is longer than \(fileBytesMax) bytes")
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Flaw(fileVariable, "\(path): is not UTF-8")
        }
        return text
    }
}
