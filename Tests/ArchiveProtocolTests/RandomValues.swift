import FileModel
import TestSupport

/// Any value that one side may send the other.
extension SeededGenerator {
    mutating func path() -> RelativePath {
        while true {
            if let path = try? RelativePath(bytes(0...12, from: 1)) {
                return oneIn(3) ? path.demandingFolder : path
            }
        }
    }

    mutating func query(streamed: Bool = false) -> EntryQuery {
        var kinds = EntryKinds()
        for kind in EntryKind.allCases where oneIn(2) { kinds.insert(EntryKinds(kind)) }
        let order = ListOrder(
            pick([.natural, .name]), descending: oneIn(2), directoriesFirst: oneIn(2))
        return EntryQuery(
            path: path(), order: streamed ? ListOrder(.natural) : order,
            kinds: kinds.isEmpty ? .all : kinds, includesHidden: oneIn(2))
    }

    mutating func position() -> ListPosition {
        ListPosition(
            name: oneIn(9) ? bytes(255...255, from: 1) : bytes(1...9, from: 1),
            folder: bytes(0...9, from: 1), isDirectory: oneIn(2))
    }

    mutating func request() -> PageRequest {
        PageRequest(
            limit: pick([1, 1_000, number(in: PageRequest.limits)]),
            after: oneIn(2) ? position() : nil)
    }

    mutating func notice() -> Notice {
        Notice(pick(Notice.Code.allCases), path: oneIn(2) ? bytes(0...9) : nil)
    }

    mutating func batch(isSearch: Bool) -> EntryBatch {
        var batch = EntryBatch()
        for _ in 0..<number(in: 0...9) {
            let kind = pick(EntryKind.allCases)
            batch.append(
                name: bytes(1...9, from: 1), folder: isSearch ? bytes(0...5, from: 1) : nil,
                kind: kind,
                size: kind == .file ? Int64.random(in: 0 ... .max, using: &self) : nil,
                modified: oneIn(4)
                    ? nil
                    : Timestamp(
                        seconds: Int64.random(in: .min ... .max, using: &self),
                        nanoseconds: UInt32.random(in: 0...999_999_999, using: &self)),
                target: kind == .link && !oneIn(4) ? bytes(1...5, from: 1) : nil,
                matches: isSearch ? (0..<number(in: 0...3)).map { $0 * 9..<$0 * 9 + 4 } : nil)
        }
        return batch
    }

    mutating func page(isSearch: Bool) -> EntryPage {
        EntryPage(
            entries: batch(isSearch: isSearch),
            total: Total(value: pick([0, 1, Int.max]), isExact: oneIn(2)),
            next: oneIn(2) ? position() : nil, isComplete: oneIn(2),
            notices: (0..<number(in: 0...3)).map { _ in notice() },
            isOfOneEntry: !isSearch && oneIn(3))
    }
}
