import FileModel
import TestSupport
import Testing

@Suite struct EntryBatchTests {
    private struct Entry: Equatable {
        var name: [UInt8]
        var folder: [UInt8]?
        var kind: EntryKind
        var size: Int64?
        var modified: Timestamp?
        var target: [UInt8]?
        var matches: [Range<Int>]?
    }

    private static func entries(_ random: inout SeededGenerator) -> [Entry] {
        let isSearch = random.oneIn(2)
        let hasQuery = isSearch && random.oneIn(2)
        return (0..<random.number(in: 0...20)).map { _ in
            let kind = random.pick(EntryKind.allCases)
            let time = Timestamp(
                seconds: Int64.random(in: .min ... .max, using: &random),
                nanoseconds: UInt32.random(in: 0...999_999_999, using: &random))
            return Entry(
                name: random.bytes(1...5, from: 1),
                folder: isSearch ? random.bytes(0...3, from: 1) : nil, kind: kind,
                size: kind == .file && !random.oneIn(4)
                    ? Int64.random(in: 0 ... .max, using: &random) : nil,
                modified: random.oneIn(4) ? nil : time,
                target: kind == .link && !random.oneIn(4) ? random.bytes(1...4, from: 1) : nil,
                matches: hasQuery
                    ? (0..<random.number(in: 0...3)).map { $0 * 5..<$0 * 5 + 2 } : nil)
        }
    }

    private static func batch(_ entries: [Entry]) -> EntryBatch {
        var batch = EntryBatch()
        for entry in entries {
            batch.append(
                name: entry.name, folder: entry.folder, kind: entry.kind, size: entry.size,
                modified: entry.modified, target: entry.target, matches: entry.matches)
        }
        return batch
    }

    private static func read(_ batch: EntryBatch, isSearch: Bool) -> [Entry] {
        var entries: [Entry] = []
        batch.forEach { view in
            entries.append(
                Entry(
                    name: Array(view.name), folder: isSearch ? Array(view.folder) : nil,
                    kind: view.kind, size: view.size, modified: view.modified,
                    target: view.target.map { Array($0) },
                    matches: view.matchBounds.map { bounds in
                        stride(from: 0, to: bounds.count, by: 2).map {
                            Int(bounds[$0])..<Int(bounds[$0 + 1])
                        }
                    }))
        }
        return entries
    }

    private static func rebuilt(
        _ batch: EntryBatch, _ change: (inout Columns) -> Void = { _ in }
    ) throws(EntryBatch.Malformed) -> EntryBatch {
        var columns = Columns(batch)
        change(&columns)
        return try EntryBatch(
            names: columns.names, kinds: columns.kinds, sizes: columns.sizes,
            seconds: columns.seconds, nanoseconds: columns.nanoseconds, targets: columns.targets,
            folders: columns.folders, matchCounts: columns.matchCounts,
            matchBounds: columns.matchBounds)
    }

    struct Columns {
        var names: [UInt8]
        var kinds: [UInt8]
        var sizes: [Int64]
        var seconds: [Int64]
        var nanoseconds: [UInt32]
        var targets: [UInt8]
        var folders: [UInt8]
        var matchCounts: [UInt32]
        var matchBounds: [UInt32]

        init(_ batch: EntryBatch) {
            (names, kinds, sizes) = (batch.names, batch.kinds, batch.sizes)
            (seconds, nanoseconds) = (batch.seconds, batch.nanoseconds)
            (targets, folders) = (batch.targets, batch.folders)
            (matchCounts, matchBounds) = (batch.matchCounts, batch.matchBounds)
        }
    }

    @Test func `what was appended is read again, also from columns`() throws {
        var random = SeededGenerator(announcedFor: "what was appended is read again")
        for _ in 0..<1_000 {
            let entries = Self.entries(&random)
            let batch = Self.batch(entries)
            let isSearch = entries.first?.folder != nil
            try #require(Self.read(batch, isSearch: isSearch) == entries)
            try #require(try Self.rebuilt(batch) == batch)
        }
    }

    @Test(
        arguments: [
            { $0.names.removeLast() }, { $0.names.append(0) }, { $0.names = [] },
            { $0.kinds.removeLast() }, { $0.kinds[0] = 0 }, { $0.kinds[1] = 5 },
            { $0.sizes.append(1) }, { $0.seconds.removeLast() }, { $0.nanoseconds = [] },
            { $0.targets.append(0x61) }, { $0.targets.append(0) }, { $0.folders = [0] },
            { $0.folders.append(0x61) }, { $0.matchCounts.removeLast() },
            { $0.matchCounts[0] += 1 },
            { $0.matchCounts[0] = .max }, { $0.matchCounts = [] }, { $0.matchBounds.removeLast() },
            { $0.matchBounds += [1, 2] },
        ] as [@Sendable (inout Columns) -> Void])
    func `columns that don't fit are refused`(change: @Sendable (inout Columns) -> Void) {
        let batch = Self.batch([
            Entry(name: [0x61], folder: [], kind: .link, target: [0x62], matches: [0..<1]),
            Entry(name: [0x62], folder: [0x61], kind: .file, size: 3, matches: []),
        ])
        #expect(throws: Never.self) { try Self.rebuilt(batch) }
        #expect(throws: EntryBatch.Malformed.self) { try Self.rebuilt(batch, change) }
    }
}
