import Testing
import TestSupport

@testable import gateway

/// What a ticket keeps is what came in.
@Suite struct KeptRequestTests {
    @Test func `a request that was kept is the request`() throws {
        var random = SeededGenerator()
        for _ in 0..<500 {
            let query = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let pages: [ListRequest.Page] = [.home, .list, .search]
            let request = ListRequest(
                page: try #require(pages.randomElement(using: &random)), query: query,
                form: try #require(Representation.ofDocuments.randomElement(using: &random)),
                language: try #require(Language.allCases.randomElement(using: &random)))
            let identity = RequestIdentity(
                id: "a", uuid: "b", traceparent: Bool.random(using: &random) ? "00-x" : nil)
            let back = try KeptRequest(try KeptRequest(request, of: identity).bytes())
            #expect(back.request == request)
            #expect(back.identity.id == "a" && back.identity.uuid == "b")
            #expect(back.identity.traceparent == identity.traceparent)
        }
    }

    @Test func `an answer that was kept is the answer`() throws {
        var answer = Answer(json: Array("{\"ñ\":1}".utf8), language: .english)
        answer.status = 404
        answer.headers = [("Link", "</x>; rel=\"next\""), ("Retry-After", "1")]
        answer.isTagged = false
        let problem = Problem(.absent, Text("es", "en"), parameter: "ruta")
        let back = try KeptAnswer(try KeptAnswer(answer, problem: problem).bytes())
        #expect(back.answer.status == 404)
        #expect(back.answer.body == answer.body)
        #expect(back.answer.contentType == answer.contentType)
        #expect(back.answer.language == .english)
        #expect(!back.answer.isTagged && back.answer.isNegotiated)
        #expect(back.answer.headers.map(\.name) == ["Link", "Retry-After"])
        #expect(back.answer.headers.map(\.value) == ["</x>; rel=\"next\"", "1"])
        #expect(back.problem?.code == .absent)
        #expect(back.problem?.detail == Text("es", "en"))
        #expect(back.problem?.parameter == "ruta")
        #expect(try KeptAnswer(try KeptAnswer(answer).bytes()).problem == nil)
    }

    @Test(arguments: [[], [0xFF], Array("no".utf8), [0x08, 0x09]] as [[UInt8]])
    func `what is no kept request is refused`(bytes: [UInt8]) {
        #expect(throws: KeptRequest.Unreadable.self) { try KeptRequest(bytes) }
    }

    @Test(
        arguments: [
            (.home, "", "/"), (.list, "", "/listar_archivos"),
            (.search, "q=a+b&ruta=%2F", "/buscar_archivos?q=a+b&ruta=%2F"),
            (.list, "ruta=/á \"<>\n", "/listar_archivos?ruta=/%C3%A1%20%22%3C%3E%0A"),
        ] as [(ListRequest.Page, String, String)])
    func `the request's target can stand in a header`(
        page: ListRequest.Page, query: String, target: String
    ) {
        let request = ListRequest(
            page: page, query: Array(query.utf8), form: .json, language: .spanish)
        #expect(request.target == target)
    }
}
