public import FileModel
internal import RootedFiles

extension TreeSearcher {
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
        let pieces = PieceSender(send: send)
        let isOver = {
            // Hits are not kept back while others are looked for.
            pieces.sendIfDue()
            return isCancelled()
        }
        var matcher = text.map { NameMatcher($0) }
        var reader = HitReader(base: base, query: query)
        // A stream has no budget of time: its reader decides how long it takes, and cancels.
        var walk = TreeWalk(query: query, deadline: nil, isCancelled: isOver)
        switch order {
        case .unsorted:
            try walk.forEachEntry(beneath: base) { folder, name, kind in
                guard matcher?.matches(name) ?? true else { return true }
                reader.append(name, in: folder, kind, matcher: &matcher, to: &pieces.page)
                return pieces.goesOn()
            }
        case .sorted(let after):
            var sorter = EntrySorter(
                query.order, after: after, within: budget, isCancelled: isOver)
            try walk.forEachEntry(beneath: base) { folder, name, kind in
                guard matcher?.matches(name) ?? true else { return true }
                return sorter.offer(name: name, folder: folder, kind: kind)
            }
            do throws(EntrySorter.Failure) {
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
}
