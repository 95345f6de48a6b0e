/// A broker's URL taken apart. Errors name the part at fault, never its text: that may be a piece of a password.
struct BrokerURL {
    var isEncrypted = false
    var user = "guest"
    var password = "guest"
    var hosts: [BrokerConfiguration.Host] = []
    var virtualHost = "/"

    /// The most hosts that a URL may name.
    static let hostsMax = 32

    init(_ url: String) throws(RabbitMQError) {
        let bytes = Array(url.utf8)
        guard bytes.count <= 8_192 else { throw Self.wrong("is longer than 8,192 bytes") }
        guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Self.wrong(
                "has a blank, a control character or a letter outside ASCII: write %XX")
        }
        var rest = bytes[...]
        if rest.starts(with: Array("amqps://".utf8)) {
            isEncrypted = true
        } else if !rest.starts(with: Array("amqp://".utf8)) {
            throw Self.wrong("does not begin with amqp:// or amqps://")
        }
        rest = rest.dropFirst(isEncrypted ? 8 : 7)
        guard !rest.contains(UInt8(ascii: "?")), !rest.contains(UInt8(ascii: "#")) else {
            throw Self.wrong(
                "has a ? or #: it takes no parameters (in a password write %3F or %23)")
        }
        let authority = rest.prefix { $0 != UInt8(ascii: "/") }
        try readHosts(try readCredentials(authority))
        let path = rest.dropFirst(authority.count).dropFirst()
        guard !path.contains(UInt8(ascii: "/")) else {
            throw Self.wrong("has more than a virtual host after its hosts (a / in one is %2F)")
        }
        // Of a password with a / in it, which would otherwise be shown as a virtual host.
        guard !path.contains(UInt8(ascii: "@")) else {
            throw Self.wrong("has an @ after a / (in a password write %2F, in a virtual host %40)")
        }
        if !path.isEmpty { virtualHost = try Self.decoded(path, "the virtual host") }
        guard virtualHost.utf8.count <= 255 else {
            throw Self.wrong("the virtual host is longer than 255 bytes")
        }
    }

    /// Reads `USER:PASSWORD@`, if that is there, and returns what follows.
    private mutating func readCredentials(
        _ authority: ArraySlice<UInt8>
    ) throws(RabbitMQError) -> ArraySlice<UInt8> {
        let parts = authority.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
        guard parts.count <= 2 else {
            throw Self.wrong("has more than one @ (in a user or password write %40)")
        }
        guard parts.count == 2 else { return authority }
        let pair = parts[0].split(
            separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        user = try Self.decoded(pair[0], "the user")
        guard !user.isEmpty else { throw Self.wrong("has no user before the @") }
        password = pair.count == 2 ? try Self.decoded(pair[1], "the password") : ""
        return parts[1]
    }

    private mutating func readHosts(_ list: ArraySlice<UInt8>) throws(RabbitMQError) {
        let items = list.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard items.count <= Self.hostsMax else {
            throw Self.wrong("names more than \(Self.hostsMax) hosts")
        }
        for (index, item) in items.enumerated() {
            hosts.append(try host(item, "host \(index + 1)"))
        }
    }

    private func host(
        _ item: ArraySlice<UInt8>, _ part: String
    ) throws(RabbitMQError) -> BrokerConfiguration.Host {
        var name = item
        var port: ArraySlice<UInt8>?
        if item.first == UInt8(ascii: "[") {
            guard let end = item.firstIndex(of: UInt8(ascii: "]")) else {
                throw Self.wrong("\(part) has no ] after its address")
            }
            name = item[(item.startIndex + 1)..<end]
            let after = item[(end + 1)...]
            guard name.allSatisfy(Self.isAddressByte), name.contains(UInt8(ascii: ":")) else {
                throw Self.wrong("\(part) has no IPv6 address between [ and ]")
            }
            guard after.isEmpty || after.first == UInt8(ascii: ":") else {
                throw Self.wrong("\(part) has something other than a port after its ]")
            }
            port = after.isEmpty ? nil : after.dropFirst()
        } else {
            if let colon = item.firstIndex(of: UInt8(ascii: ":")) {
                name = item[..<colon]
                port = item[(colon + 1)...]
            }
            guard !name.isEmpty else { throw Self.wrong("\(part) has no name") }
            guard name.count <= 253, name.allSatisfy(Self.isNameByte) else {
                throw Self.wrong(
                    "\(part) is no host name (letters, digits, - . _; an IPv6 address in [ ])")
            }
        }
        return BrokerConfiguration.Host(
            name: String(decoding: name, as: UTF8.self), port: try number(port, part))
    }

    private func number(
        _ digits: ArraySlice<UInt8>?, _ part: String
    ) throws(RabbitMQError) -> UInt16 {
        guard let digits else { return isEncrypted ? 5_671 : 5_672 }
        guard digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            let port = UInt16(String(decoding: digits, as: UTF8.self)), port > 0
        else { throw Self.wrong("\(part) has a port that is no number from 1 to 65535") }
        return port
    }

    /// Percent-decodes to text without NUL: librabbitmq takes C strings.
    private static func decoded(
        _ bytes: ArraySlice<UInt8>, _ part: String
    ) throws(RabbitMQError) -> String {
        var result: [UInt8] = []
        var index = bytes.startIndex
        while index < bytes.endIndex {
            guard bytes[index] == UInt8(ascii: "%") else {
                result.append(bytes[index])
                index += 1
                continue
            }
            guard index + 2 < bytes.endIndex, let high = hexDigit(bytes[index + 1]),
                let low = hexDigit(bytes[index + 2])
            else { throw wrong("\(part) has a % without two hex digits") }
            result.append(high << 4 | low)
            index += 3
        }
        guard let text = String(validating: result, as: UTF8.self), !result.contains(0) else {
            throw wrong("\(part) is no text once its %XX are decoded")
        }
        return text
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private static func isAddressByte(_ byte: UInt8) -> Bool {
        hexDigit(byte) != nil || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
    }

    static func wrong(_ what: String) -> RabbitMQError {
        RabbitMQError(.configuration, "the broker's URL \(what)")
    }
}
