public import FileModel
internal import RootedFiles

extension FolderLister {
    /// All entries of a folder, piece by piece. Without an order memory for one piece.
    ///
    /// Sizes and times are read as the pieces go out.
    ///
    /// - Parameters:
    ///   - budget: what an order may take.
    ///   - isCancelled: asked now and then; true ends the reading.
    ///   - send: takes a piece, and whether it is the one entry that a path leads to; returns false to end the stream.
    /// - Returns: why the list is not complete; empty where it is.
    /// - Throws: ``FileError`` where there is nothing to list, or the reading failed under way.
    public func stream(
        _ query: EntryQuery, in order: StreamOrder, within budget: SortBudget,
        isCancelled: @escaping () -> Bool = { false },
        send: @escaping (EntryBatch, Bool) -> Bool
    ) throws(FileError) -> [Notice] {
        switch try tree.open(query) {
        case .entry(let status):
            var after: ListPosition?
            if case .sorted(let place) = order { after = place }
            let page = page(of: status, query, PageRequest(limit: 1, after: after))
            if page.entries.count > 0 { _ = send(page.entries, true) }
            return []
        case .folder(let folder):
            let pieces = PieceSender { send($0, false) }
            let isOver = {
                pieces.sendIfDue()
                return isCancelled()
            }
            var missing: FileError?
            switch order {
            case .unsorted: try stream(folder, query, isOver, to: pieces, &missing)
            case .sorted(let after):
                try sort(folder, query, after, budget, isOver, to: pieces, &missing)
            }
            pieces.sendRest()
            return missing.map { [Notice($0, at: query.path)] } ?? []
        }
    }

    private func stream(
        _ folder: borrowing Folder, _ query: EntryQuery, _ isCancelled: () -> Bool,
        to pieces: PieceSender, _ missing: inout FileError?
    ) throws(FileError) {
        try forEachCandidate(in: folder, query, isCancelled) { name, kind in
            append(
                name, kind, of: folder, query, to: &pieces.page.entries, missing: &missing)
            return pieces.goesOn()
        }
    }

    private func sort(
        _ folder: borrowing Folder, _ query: EntryQuery, _ after: ListPosition?,
        _ budget: SortBudget, _ isCancelled: @escaping () -> Bool, to pieces: PieceSender,
        _ missing: inout FileError?
    ) throws(FileError) {
        var sorter = EntrySorter(
            query.order, after: after, within: budget, isCancelled: isCancelled)
        let nowhere = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        try forEachCandidate(in: folder, query, isCancelled) { name, kind in
            sorter.offer(name: name, folder: nowhere, kind: kind)
        }
        do throws(EntrySorter.Failure) {
            try sorter.finish { entry in
                append(
                    entry.name, entry.kind, of: folder, query, to: &pieces.page.entries,
                    missing: &missing)
                return pieces.goesOn()
            }
        } catch {
            throw FileError(error)
        }
    }
}
