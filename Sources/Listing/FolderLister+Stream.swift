public import FileModel
internal import RootedFiles

extension FolderLister {
    /// Entries in a piece of a stream.
    public static let pieceCount = 512

    /// All entries of a folder in the file system's order, piece by piece; memory for one piece.
    ///
    /// - Parameter send: takes a piece; returns false to end the stream.
    /// - Returns: why the list is not complete; empty where it is.
    /// - Throws: ``FileError`` where there is nothing to list, or the reading failed under way.
    public func stream(
        _ query: EntryQuery, send: (EntryBatch) -> Bool
    ) throws(FileError) -> [Notice] {
        switch try tree.open(query) {
        case .entry(let status):
            let page = page(of: status, query, PageRequest(limit: 1, after: nil))
            _ = send(page.entries)
            return []
        case .folder(let folder):
            return try stream(folder, query, send)
        }
    }

    private func stream(
        _ folder: borrowing Folder, _ query: EntryQuery, _ send: (EntryBatch) -> Bool
    ) throws(FileError) -> [Notice] {
        var piece = EntryBatch()
        var missing: FileError?
        var goesOn = true
        try forEachCandidate(in: folder, query) { name, kind in
            append(name, kind, of: folder, query, to: &piece, missing: &missing)
            if piece.count == Self.pieceCount {
                goesOn = send(piece)
                piece = EntryBatch()
            }
            return goesOn
        }
        if goesOn, piece.count > 0 { _ = send(piece) }
        return missing.map { [Notice($0, at: query.path)] } ?? []
    }
}
