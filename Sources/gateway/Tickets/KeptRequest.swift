import Foundation
import SwiftProtobuf

/// A request as a ticket keeps it: all that its answer depends on, and who it is in the logs.
struct KeptRequest: Sendable {
    let request: ListRequest
    let identity: RequestIdentity

    /// What can't be read: kept by a later version, or not by us.
    struct Unreadable: Error {}

    init(_ request: ListRequest, of identity: RequestIdentity) {
        self.request = request
        self.identity = identity
    }

    /// Reads what ``bytes`` made.
    init(_ bytes: [UInt8]) throws(Unreadable) {
        guard let kept = try? Pasarela_Tickets_V1_KeptRequest(serializedBytes: bytes),
            let page = ListRequest.Page(kept.page), let form = Representation(kept.form),
            let language = Language(kept.language)
        else { throw Unreadable() }
        request = ListRequest(page: page, query: Array(kept.query), form: form, language: language)
        identity = RequestIdentity(
            id: kept.requestID, uuid: kept.requestUuid,
            traceparent: kept.traceparent.isEmpty ? nil : kept.traceparent)
    }

    /// As the backlog stores it.
    func bytes() throws(Unreadable) -> [UInt8] {
        let kept = Pasarela_Tickets_V1_KeptRequest.with { kept in
            kept.page = request.page.kept
            kept.query = .init(request.query)
            kept.form = request.form.kept
            kept.language = request.language.kept
            kept.requestID = identity.id
            kept.requestUuid = identity.uuid
            kept.traceparent = identity.traceparent ?? ""
        }
        guard let bytes: [UInt8] = try? kept.serializedBytes() else { throw Unreadable() }
        return bytes
    }
}

extension ListRequest.Page {
    fileprivate init?(_ page: Pasarela_Tickets_V1_Page) {
        switch page {
        case .home: self = .home
        case .list: self = .list
        case .search: self = .search
        case .unspecified, .UNRECOGNIZED: return nil
        }
    }

    fileprivate var kept: Pasarela_Tickets_V1_Page {
        switch self {
        case .home: .home
        case .list: .list
        case .search: .search
        }
    }
}

extension Representation {
    fileprivate init?(_ form: Pasarela_Tickets_V1_Form) {
        switch form {
        case .json: self = .json
        case .html: self = .html
        case .unspecified, .UNRECOGNIZED: return nil
        }
    }

    fileprivate var kept: Pasarela_Tickets_V1_Form {
        switch self {
        case .json: .json
        case .html: .html
        // Lines never become tickets.
        case .ndjson, .text: .unspecified
        }
    }
}

extension Language {
    init?(_ language: Pasarela_Tickets_V1_Language) {
        switch language {
        case .spanish: self = .spanish
        case .english: self = .english
        case .unspecified, .UNRECOGNIZED: return nil
        }
    }

    var kept: Pasarela_Tickets_V1_Language {
        switch self {
        case .spanish: .spanish
        case .english: .english
        }
    }
}
