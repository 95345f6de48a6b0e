import FileModel
import Glibc
import TestSupport
import Testing

@testable import gateway

@Suite struct CursorSealTests {
    private static let seal = CursorSeal(key: Array(0..<32))

    private static func place(_ random: inout SeededGenerator) -> ListPosition {
        ListPosition(
            name: random.bytes(1...20, from: 1), folder: random.bytes(0...20, from: 1),
            isDirectory: random.oneIn(2))
    }

    @Test func `a sealed place opens again, the same place is the same text`() throws {
        var random = SeededGenerator(announcedFor: "a sealed place opens again")
        for _ in 0..<1_000 {
            let (place, list) = (Self.place(&random), random.bytes(0...20))
            let cursor = Self.seal.seal(place, of: list)
            try #require(Self.seal.open(cursor, of: list) == place)
            try #require(Self.seal.seal(place, of: list) == cursor)
            try #require(Self.seal.open(cursor, of: list + [0]) == nil)
            try #require(Self.seal.open(cursor, of: Array(list.dropLast()) + [7, 7]) == nil)
            try #require(CursorSeal(key: Array(1...32)).open(cursor, of: list) == nil)
        }
    }

    @Test func `the longest place there can be opens again`() {
        let place = ListPosition(
            name: Array(repeating: 0xFF, count: 255), folder: Array(repeating: 0xFE, count: 4_095),
            isDirectory: true)
        let cursor = Self.seal.seal(place, of: [])
        #expect(Self.seal.open(cursor, of: []) == place)
    }

    @Test func `a cursor with one bit or one letter changed is refused`() throws {
        let place = ListPosition(name: Array("ñandú".utf8), folder: [0x61], isDirectory: false)
        let list = Array("list".utf8)
        let cursor = Self.seal.seal(place, of: list)
        let bytes = try #require(Base64URL.decoded(cursor))
        for index in bytes.indices {
            for bit in 0..<8 {
                var flipped = bytes
                flipped[index] ^= 1 << UInt8(bit)
                try #require(Self.seal.open(Base64URL.encoded(flipped), of: list) == nil)
            }
        }
        let letters = Array(cursor)
        for index in letters.indices {
            for other in "AZaz09-_+/= %" where other != letters[index] {
                var changed = letters
                changed[index] = other
                try #require(Self.seal.open(String(changed), of: list) == nil)
            }
        }
        for count in letters.indices {
            #expect(Self.seal.open(String(letters.prefix(count)), of: list) == nil)
        }
        for more in ["A", "AA", "=", "==", " ", "\n"] {
            #expect(Self.seal.open(cursor + more, of: list) == nil)
        }
        #expect(Self.seal.open(String(repeating: "A", count: 1_000_000), of: list) == nil)
    }

    @Test func `list and place can't run into each other`() {
        let place = ListPosition(name: [0x61], isDirectory: false)
        let cursor = Self.seal.seal(place, of: [1, 2])
        let bytes = Base64URL.decoded(cursor) ?? []
        // The list's last byte put before the place.
        #expect(Self.seal.open(Base64URL.encoded([2] + bytes), of: [1]) == nil)
    }

    @Test func `the key is made once, for its owner alone`() throws {
        let folder = try TemporaryFolder()
        let key = try CursorSeal.key(inFolder: folder.path)
        #expect(key.count == 32 && Set(key).count > 8)
        #expect(try CursorSeal.key(inFolder: folder.path) == key)
        var status = stat()
        #expect(stat("\(folder.path)/cursor.key", &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o600 && status.st_nlink == 1 && status.st_size == 32)
        let other = try TemporaryFolder()
        #expect(try CursorSeal.key(inFolder: other.path) != key)
    }

    @Test(arguments: [0, 31, 33])
    func `a key file that is none is replaced by a key`(count: Int) throws {
        let folder = try TemporaryFolder()
        try folder.file("cursor.key", holding: String(repeating: "k", count: count))
        try #require(chmod("\(folder.path)/cursor.key", 0o600) == 0)
        let key = try CursorSeal.key(inFolder: folder.path)
        #expect(key.count == 32 && Set(key).count > 8)
        #expect(try CursorSeal.key(inFolder: folder.path) == key)
    }

    @Test func `without its folder there is no key`() {
        #expect(throws: CursorSeal.KeyFailure.self) {
            try CursorSeal.key(inFolder: "/nonexistent-pasarela-folder")
        }
    }

}

@Suite struct Base64URLTests {
    /// RFC 4648, 10, without padding; and the two letters of its own.
    @Test(
        arguments: [
            ("", []), ("Zg", Array("f".utf8)), ("Zm8", Array("fo".utf8)),
            ("Zm9v", Array("foo".utf8)),
            ("Zm9vYg", Array("foob".utf8)), ("Zm9vYmFy", Array("foobar".utf8)),
            ("-_8", [0xFB, 0xFF]),
        ] as [(String, [UInt8])])
    func `bytes are written as the RFC says`(text: String, bytes: [UInt8]) {
        #expect(Base64URL.encoded(bytes) == text)
        #expect(Base64URL.decoded(text) == bytes)
    }

    @Test func `only what is written is read`() throws {
        var random = SeededGenerator(announcedFor: "only what is written is read")
        let letters = Array("AQgwZz09-_+/= \n\u{E9}")
        var read = 0
        for _ in 0..<50_000 {
            let text = String((0..<random.number(in: 0...6)).map { _ in random.pick(letters) })
            guard let bytes = Base64URL.decoded(text) else { continue }
            read += 1
            try #require(Base64URL.encoded(bytes) == text)
        }
        #expect(read > 1_000)
        for _ in 0..<1_000 {
            let bytes = random.bytes(0...50)
            try #require(Base64URL.decoded(Base64URL.encoded(bytes)) == bytes)
        }
    }
}
