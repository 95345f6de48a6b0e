import Glibc
import Service
import Testing

@Suite struct PeerListTests {
    @Test func `nobody named is everybody`() throws {
        #expect(try PeerList(Settings([:])).users == nil)
        #expect(try PeerList(Settings(["PASARELA_PEERS": ""])).users == nil)
    }

    @Test func `users are found by name; root and the service's own may always`() throws {
        let users = try PeerList(Settings(["PASARELA_PEERS": "nobody,daemon"])).users
        #expect(users == [0, geteuid(), 65_534, 1])
    }

    @Test(arguments: ["no such user", "root,", ",", "root,nobody,x!y"])
    func `a user that is not there is a flaw that names it`(names: String) {
        #expect(throws: Settings.Flaw.self) {
            try PeerList(Settings(["PASARELA_PEERS": names]))
        }
    }
}
