import Foundation
import SwiftProtobuf

/// The answer to a kept request, as the direct request would have got it.
struct KeptAnswer: Sendable {
    let answer: Answer
    /// The problem that the answer is, where it is one.
    let problem: Problem?

    init(_ answer: Answer, problem: Problem? = nil) {
        self.answer = answer
        self.problem = problem
    }

    /// Reads what ``bytes`` made.
    init(_ bytes: [UInt8]) throws(KeptRequest.Unreadable) {
        guard let kept = try? Pasarela_Tickets_V1_KeptAnswer(serializedBytes: bytes),
            (100...599).contains(kept.status), !kept.contentType.isEmpty
        else { throw KeptRequest.Unreadable() }
        var answer = Answer(kept: Array(kept.body), contentType: kept.contentType)
        answer.status = Int(kept.status)
        answer.language = Language(kept.language)
        answer.isNegotiated = kept.negotiated
        answer.isTagged = kept.tagged
        answer.headers = kept.headers.map { ($0.name, $0.value) }
        self.answer = answer
        guard kept.hasProblem, let code = ProblemCode(rawValue: kept.problem.code) else {
            problem = nil
            return
        }
        let parameter = kept.problem.parameter
        problem = Problem(
            code, Text(kept.problem.detailSpanish, kept.problem.detailEnglish),
            parameter: parameter.isEmpty ? nil : parameter)
    }

    /// As the backlog stores it.
    func bytes() throws(KeptRequest.Unreadable) -> [UInt8] {
        let kept = Pasarela_Tickets_V1_KeptAnswer.with { kept in
            kept.status = UInt32(answer.status)
            kept.contentType = answer.contentType
            kept.body = .init(answer.body)
            if let language = answer.language { kept.language = language.kept }
            kept.negotiated = answer.isNegotiated
            kept.tagged = answer.isTagged
            kept.headers = answer.headers.map { header in
                .with {
                    $0.name = header.name
                    $0.value = header.value
                }
            }
            if let problem {
                kept.problem.code = problem.code.rawValue
                kept.problem.detailSpanish = problem.detail.spanish
                kept.problem.detailEnglish = problem.detail.english
                kept.problem.parameter = problem.parameter ?? ""
            }
        }
        guard let bytes: [UInt8] = try? kept.serializedBytes() else {
            throw KeptRequest.Unreadable()
        }
        return bytes
    }
}
