internal import Testing

@testable internal import RPC

@Suite struct RPCValueTests {
    @Test(arguments: [
        ("traceparent", "00-ab-cd-01", true), ("x-a_b.c", " ~", true), ("x", "", true),
        ("", "v", false), ("X-Upper", "v", false), ("with space", "v", false),
        (":path", "/", false), ("grpc-timeout", "1S", false), ("x-bin", "v", false),
        ("te", "v", false), ("content-type", "v", false), ("user-agent", "v", false),
        ("ñ", "v", false), ("x", "ñ", false), ("x", "a\nb", false), ("x", "a\u{0}", false),
        ("x", "\u{7F}", false), ("x", String(repeating: "v", count: 4_096), false),
    ])
    func `only pairs that gRPC can carry get into metadata`(
        key: String, value: String, isTaken: Bool
    ) {
        var metadata = RPCMetadata()
        #expect(metadata.append(key, value) == isTaken)
        #expect(metadata[key] == (isTaken ? value : nil))
        #expect(metadata.entries.count == (isTaken ? 1 : 0))
    }

    @Test func `metadata is bounded and keeps its order`() {
        var metadata = RPCMetadata()
        for index in 100..<300 { metadata.append("x", "\(index)") }
        // 36 bytes each.
        #expect(metadata.entries.map(\.value) == (100..<213).map(String.init))
        #expect(metadata["x"] == "100")
        #expect(metadata["y"] == nil)
    }

    @Test func `deadlines saturate instead of overflowing`() throws {
        #expect(RPCDeadline.none.remaining == nil)
        #expect(!RPCDeadline.none.hasPassed)
        #expect(RPCDeadline(after: .seconds(Int64.max)).remaining == nil)
        #expect(RPCDeadline(after: .seconds(-Int64.max)).hasPassed)
        #expect(RPCDeadline(after: .zero).hasPassed)
        let left = try #require(RPCDeadline(after: .milliseconds(1_500)).remaining)
        #expect(left > .milliseconds(500) && left <= .milliseconds(1_500))
        let soon = RPCDeadline(after: .seconds(1))
        #expect(soon.earlier(of: .none) == soon)
        #expect(RPCDeadline.none.earlier(of: soon) == soon)
    }

    @Test func `status codes have gRPC's names, also those that are not defined`() {
        #expect(RPCStatusCode.resourceExhausted.description == "RESOURCE_EXHAUSTED")
        #expect(RPCStatusCode(rawValue: 77).description == "STATUS_77")
        #expect(RPCError(.unavailable, "gone").description == "UNAVAILABLE: gone")
    }
}
