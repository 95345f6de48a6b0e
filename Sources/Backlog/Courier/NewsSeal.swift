internal import Foundation
internal import SwiftProtobuf

/// Seals news with the tree's key, and opens what others sealed with it: whoever can write to the broker but has no key
/// can't make up tickets or answers.
struct NewsSeal: Sendable {
    let tree: String
    let mac: @Sendable ([UInt8]) -> [UInt8]

    private static let domain = Array("pasarela.backlog.v1.SealedNews\0".utf8)

    /// The body of a message; nil for what nobody tells.
    func sealed(_ news: TicketNews) -> [UInt8]? {
        guard let content = news.message else { return nil }
        let message = Pasarela_Backlog_V1_SealedNews.with { message in
            message.news = Data(content)
            message.mac = Data(mac(sealedText(content)))
        }
        // It can fail only for more than 2 GiB, which no ticket may have.
        return try? message.serializedBytes()
    }

    /// What a gateway of this tree told; nil where the seal is another's, or the content none that we write.
    func opened(_ body: [UInt8]) -> TicketNews? {
        // What can't be read is not ours.
        guard let sealed = try? Pasarela_Backlog_V1_SealedNews(serializedBytes: body) else {
            return nil
        }
        let content = [UInt8](sealed.news)
        let ours = mac(sealedText(content))
        guard sealed.mac.count == ours.count else { return nil }
        // No early end: the time must not tell how much of it is right.
        var difference: UInt8 = 0
        for (theirs, ours) in zip(sealed.mac, ours) { difference |= theirs ^ ours }
        guard difference == 0, !ours.isEmpty else { return nil }
        return TicketNews(message: content)
    }

    private func sealedText(_ content: [UInt8]) -> [UInt8] {
        Self.domain + Array(tree.utf8) + [0] + content
    }
}
