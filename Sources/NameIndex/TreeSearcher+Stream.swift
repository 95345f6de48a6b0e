public import FileModel
internal import RootedFiles

extension TreeSearcher {
    /// Entries in a piece of a stream.
    public static let pieceCount = 512
    /// How long hits wait for others to go out with.
    static let pieceDelay = Duration.milliseconds(50)

    /// All hits, piece by piece. Without an order, the walk's; then memory for one piece.
    ///
    /// - Parameters:
    ///   - text: what to look for; nil: everything that passes the query's filters.
    ///   - budget: what an order may take.
    ///   - isCancelled: asked now and then; true ends the walk.
    ///   - send: takes a piece; returns false to end the stream.
    /// - Returns: whether the walk saw everything, and why not.
    /// - Throws: ``FileError`` where there is nothing to search.
    public func stream(
        _ query: EntryQuery, text: NameQuery?, in order: StreamOrder, within budget: SortBudget,
        isCancelled: @escaping () -> Bool, send: @escaping (EntryBatch) -> Bool
    ) throws(FileError) -> (isComplete: Bool, notices: [Notice]) {
        let base = try openBase(query)
        let pieces = Pieces(send: send)
        var matcher = text.map { NameMatcher($0) }
        var reader = HitReader(base: base, query: query)
        // A stream has no budget of time: its reader decides how long it takes, and cancels.
        var walk = TreeWalk(query: query, deadline: nil) {
            // Hits are not kept back while others are looked for.
            pieces.sendIfOld()
            return pieces.hasEnded || isCancelled()
        }
        switch order {
        case .unsorted:
            try walk.forEachEntry(beneath: base) { folder, name, kind in
                guard matcher?.matches(name) ?? true else { return true }
                reader.append(name, in: folder, kind, matcher: &matcher, to: &pieces.page)
                return pieces.goesOn()
            }
        case .sorted(let after):
            var sorter = EntrySorter(
                query.order, after: after, within: budget, isCancelled: isCancelled)
            var failure: EntrySorter.Failure?
            try walk.forEachEntry(beneath: base) { folder, name, kind in
                guard matcher?.matches(name) ?? true else { return true }
                do throws(EntrySorter.Failure) {
                    try sorter.offer(name: name, folder: folder, kind: kind)
                    return true
                } catch {
                    failure = error
                    return false
                }
            }
            do throws(EntrySorter.Failure) {
                if let failure { throw failure }
                try sorter.finish { hit in
                    reader.append(
                        hit.name, in: hit.folder, hit.kind, matcher: &matcher, to: &pieces.page)
                    return pieces.goesOn()
                }
            } catch {
                throw FileError(error)
            }
        }
        pieces.sendRest()
        for notice in walk.notices { pieces.page.note(notice) }
        return (walk.isComplete && pieces.page.isComplete, pieces.page.notices)
    }

    /// Hits that are gathered, and sent when they are enough or have waited long enough.
    private final class Pieces {
        /// What is gathered, and all that is to be said in the end.
        var page = EntryPage()
        /// The reader has gone.
        private(set) var hasEnded = false
        private let send: (EntryBatch) -> Bool
        private var sent = ContinuousClock.now

        init(send: @escaping (EntryBatch) -> Bool) {
            self.send = send
        }

        /// Sends what there is if it is enough; false: the reader has gone.
        func goesOn() -> Bool {
            if page.entries.count >= TreeSearcher.pieceCount { sendRest() }
            return !hasEnded
        }

        func sendIfOld() {
            guard page.entries.count > 0, ContinuousClock.now - sent >= TreeSearcher.pieceDelay
            else { return }
            sendRest()
        }

        func sendRest() {
            guard !hasEnded, page.entries.count > 0 else { return }
            hasEnded = !send(page.entries)
            page.entries = EntryBatch()
            sent = ContinuousClock.now
        }
    }
}
