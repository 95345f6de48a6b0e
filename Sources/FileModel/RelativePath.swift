/// A path beneath the tree, normalised once at the edge: bytes, `/` between names, none at either end, no `.`,
/// no empty names. Whether it exists is not known here; `..` may stand in it and is refused by whoever opens it.
public struct RelativePath: Sendable, Hashable {
    /// What can be wrong with a path as it was written.
    public enum Flaw: Error, Sendable, Hashable {
        case holdsNUL
        /// Over ``byteCountMax`` bytes.
        case tooLong
    }

    /// `PATH_MAX` less its NUL, see path_resolution(7).
    public static let byteCountMax = 4_095
    /// `NAME_MAX`.
    public static let nameByteCountMax = 255
    /// The tree itself.
    public static let root = RelativePath(normalised: [], mustBeFolder: false)

    /// The normalised bytes; empty for the root.
    public let bytes: [UInt8]
    /// It was written with a slash (or `/.`) at its end, which demands a folder.
    public let mustBeFolder: Bool

    /// Bytes that are known to be normalised.
    init(normalised bytes: [UInt8], mustBeFolder: Bool) {
        self.bytes = bytes
        self.mustBeFolder = mustBeFolder
    }

    /// A path as a client wrote it: a leading slash may be missing, empty names and `.` are dropped.
    public init(_ written: some Collection<UInt8>) throws(Flaw) {
        guard written.count <= Self.byteCountMax else { throw .tooLong }
        guard !written.contains(0) else { throw .holdsNUL }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(written.count)
        var mustBeFolder = false
        for name in written.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            mustBeFolder = name.isEmpty || name.elementsEqual([UInt8(ascii: ".")])
            if mustBeFolder { continue }
            if !bytes.isEmpty { bytes.append(UInt8(ascii: "/")) }
            bytes.append(contentsOf: name)
        }
        self.bytes = bytes
        self.mustBeFolder = mustBeFolder && !bytes.isEmpty
    }

    /// The same path, which must lead to a folder.
    public var demandingFolder: RelativePath {
        RelativePath(normalised: bytes, mustBeFolder: !bytes.isEmpty)
    }

    /// The names from the root down.
    public var names: [ArraySlice<UInt8>] {
        bytes.split(separator: UInt8(ascii: "/"))
    }

    /// The last name, or nil for the root.
    public var lastName: ArraySlice<UInt8>? {
        guard !bytes.isEmpty else { return nil }
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return bytes[...] }
        return bytes[(slash + 1)...]
    }

    /// The folder above, or nil for the root.
    public var parent: RelativePath? {
        guard !bytes.isEmpty else { return nil }
        let slash = bytes.lastIndex(of: UInt8(ascii: "/")) ?? 0
        return RelativePath(normalised: Array(bytes[..<slash]), mustBeFolder: false)
    }

    /// Whether any name starts with a dot. (`..` does, too.)
    public var passesThroughHiddenName: Bool {
        names.contains { $0.first == UInt8(ascii: ".") }
    }

    /// Whether a path of these names can exist beneath the root: no `..`, no name over 255 bytes.
    public var canExist: Bool {
        names.allSatisfy { name in
            name.count <= Self.nameByteCountMax
                && !name.elementsEqual([UInt8(ascii: "."), UInt8(ascii: ".")])
        }
    }

    /// The path of something in this folder; `folder` is "" or normalised itself.
    public func appending(folder: some Collection<UInt8>, name: some Collection<UInt8>) -> [UInt8] {
        var path = bytes
        for part in [Array(folder), Array(name)] where !part.isEmpty {
            if !path.isEmpty { path.append(UInt8(ascii: "/")) }
            path.append(contentsOf: part)
        }
        return path
    }
}
