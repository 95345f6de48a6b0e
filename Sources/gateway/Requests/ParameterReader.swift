import FileModel

/// Reads the parameters of a query from left to right; the first fault ends the reading.
struct ParameterReader {
    /// The parameter that is being read, as the client wrote its name: problems name it.
    struct Parameter {
        let name: String
        let value: [UInt8]

        /// The value as text, where it is UTF-8 without NUL.
        func text() throws(Problem) -> String {
            guard !value.contains(0), let text = String(validating: value, as: UTF8.self) else {
                throw .invalidValue(
                    name, Text("debe ser texto UTF-8 sin NUL", "must be UTF-8 text without NUL"))
            }
            return text
        }

        /// Exactly `true` or `false`.
        func flag() throws(Problem) -> Bool {
            switch value {
            case Array("true".utf8): return true
            case Array("false".utf8): return false
            default:
                throw .invalidValue(name, Text("debe ser true o false", "must be true or false"))
            }
        }

        /// Plain decimal digits, in a range.
        func number(in range: ClosedRange<Int>) throws(Problem) -> Int {
            let isPlain = value.allSatisfy { (0x30...0x39).contains($0) }
            guard isPlain, let number = Int(String(decoding: value, as: UTF8.self)),
                range.contains(number)
            else {
                let bounds = "\(range.lowerBound)–\(range.upperBound)"
                throw .invalidValue(
                    name,
                    Text(
                        "debe ser un número entero, \(bounds)", "must be a whole number, \(bounds)"
                    ))
            }
            return number
        }

        /// One of some words.
        ///
        /// - Parameter others: words that would do, too, and are taken elsewhere.
        func choice<Value>(
            _ choices: KeyValuePairs<String, Value>, besides others: [String] = []
        ) throws(Problem) -> Value {
            for (word, meaning) in choices where Array(word.utf8) == value { return meaning }
            let words = (choices.map(\.key) + others).joined(separator: ", ")
            throw .invalidValue(
                name, Text("debe ser uno de: \(words)", "must be one of: \(words)"))
        }
    }

    /// Calls `take` with each parameter; it returns false for a name that it does not know.
    ///
    /// - Throws: ``Problem`` of the first parameter that is unknown, repeated, empty (but `ruta`) or broken.
    static func read(
        _ query: [UInt8], _ take: (Parameter) throws(Problem) -> Bool
    ) throws(Problem) {
        var seen: Set<String> = []
        for piece in query.split(separator: UInt8(ascii: "&")) {
            let parts = piece.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let decoded = PercentCoding.decoded(parts[0], plusIsSpace: true) else {
                throw .brokenEscape(ShownText.string(parts[0]))
            }
            let name = ShownText.string(decoded)
            guard seen.insert(name).inserted else { throw .repeatedParameter(name) }
            let written = parts.count == 2 ? parts[1] : []
            guard let value = PercentCoding.decoded(written, plusIsSpace: true) else {
                throw .brokenEscape(name)
            }
            // An unknown name is told before what its value is like.
            let parameter = Parameter(name: name, value: value)
            if value.isEmpty, name != "ruta" {
                guard try isKnown(name, take) else { throw .unknownParameter(name) }
                throw .invalidValue(name, Text("no puede estar vacío", "must not be empty"))
            }
            guard try take(parameter) else { throw .unknownParameter(name) }
        }
    }

    /// Whether `take` knows the name, whatever it says of an empty value.
    private static func isKnown(
        _ name: String, _ take: (Parameter) throws(Problem) -> Bool
    ) throws(Problem) -> Bool {
        do throws(Problem) {
            return try take(Parameter(name: name, value: []))
        } catch  where error.code == .invalidValue {
            return true
        }
    }

    /// Refuses every parameter: for the paths that take none.
    static func refuseAll(_ query: [UInt8]) throws(Problem) {
        try read(query) { (_) throws(Problem) in false }
    }
}
