internal import FileModel
internal import Foundation
internal import SwiftProtobuf

extension EntryBatch {
    /// Columns from a message.
    init(_ message: Pasarela_V1_EntryColumns) throws(Malformed) {
        try self.init(
            names: Array(message.names), kinds: Array(message.kinds), sizes: message.sizes,
            seconds: message.modifiedSeconds, nanoseconds: message.modifiedNanoseconds,
            targets: Array(message.targets), folders: Array(message.folders),
            matchCounts: message.matchCounts, matchBounds: message.matchBounds)
    }

    /// Columns as a message.
    var message: Pasarela_V1_EntryColumns {
        .with { message in
            message.names = Data(names)
            message.kinds = Data(kinds)
            message.sizes = sizes
            message.modifiedSeconds = seconds
            message.modifiedNanoseconds = nanoseconds
            message.targets = Data(targets)
            message.folders = Data(folders)
            message.matchCounts = matchCounts
            message.matchBounds = matchBounds
        }
    }
}
