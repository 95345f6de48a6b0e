public import FileModel
public import RootedFiles

/// Lists folders of the tree.
///
/// Each answer is read from the file system after the request came in: every change finished before is in it. A page
/// is true per entry, not as one instant.
public struct FolderLister: Sendable {
    let tree: ServedTree
    /// Names between two looks whether the reading was given up: some 100 µs.
    private static let lookInterval = 512

    /// A lister of a tree.
    public init(_ tree: ServedTree) {
        self.tree = tree
    }

    /// One page of a folder, or of the one entry that a path leads to, as `ls` does.
    ///
    /// Names are read first and ordered; sizes and times are read only for the page.
    ///
    /// - Parameter isCancelled: asked now and then; true ends the reading.
    /// - Throws: ``FileError`` where there is nothing to list.
    public func page(
        _ query: EntryQuery, _ request: PageRequest, isCancelled: @escaping () -> Bool = { false }
    ) throws(FileError) -> EntryPage {
        switch try tree.open(query) {
        case .folder(let folder): return try page(of: folder, query, request, isCancelled)
        case .entry(let status): return page(of: status, query, request)
        }
    }

    private func page(
        of folder: borrowing Folder, _ query: EntryQuery, _ request: PageRequest,
        _ isCancelled: () -> Bool
    ) throws(FileError) -> EntryPage {
        var selection = PageSelection(request, in: query.order)
        var total = 0
        let nowhere = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        try forEachCandidate(in: folder, query, isCancelled) { name, kind in
            total += 1
            selection.offer(name: name, folder: nowhere, kind: kind)
            return true
        }
        var page = EntryPage(total: Total(value: total, isExact: true))
        page.entries.reserve(request.limit)
        var missing: FileError?
        page.next = selection.finish { entry in
            append(
                entry.name, entry.kind, of: folder, query, to: &page.entries, missing: &missing)
            return page.entries.byteCount < PageRequest.byteCountMax
        }
        if let missing { page.note(Notice(missing, at: query.path)) }
        return page
    }

    /// Every name of the folder that passes the query's filters, until `body` returns false.
    ///
    /// - Throws: ``FileError``, `cancelled` among them.
    func forEachCandidate(
        in folder: borrowing Folder, _ query: EntryQuery, _ isCancelled: () -> Bool,
        _ body: (UnsafeBufferPointer<UInt8>, EntryKind?) -> Bool
    ) throws(FileError) {
        let needsKind = query.kinds != .all || query.order.directoriesFirst
        // Names whose kind the file system does not tell are looked at after the reading: rare, so kept aside.
        var untold: [[UInt8]] = []
        var sinceLook = 0
        var isGivenUp = false
        try folder.forEachName(using: Folder.Buffer()) { name in
            sinceLook += 1
            if sinceLook == Self.lookInterval {
                sinceLook = 0
                isGivenUp = isCancelled()
                if isGivenUp { return false }
            }
            guard query.admits(name: name.bytes) else { return true }
            if let kind = name.kind {
                return query.kinds.contains(kind: kind) ? body(name.bytes, kind) : true
            }
            if needsKind {
                untold.append(Array(name.bytes) + [0])
                return true
            }
            return body(name.bytes, nil)
        }
        if isGivenUp { throw FileError(.cancelled, "given up") }
        for name in untold {
            let result: Result<Bool, FileError> = name.withUnsafeBufferPointer { name in
                let name = UnsafeBufferPointer(rebasing: name.dropLast())
                do throws(FileError) {
                    guard let kind = try folder.status(of: name)?.kind,
                        query.kinds.contains(kind: kind)
                    else { return .success(true) }
                    return .success(body(name, kind))
                } catch {
                    return .failure(error)
                }
            }
            guard try result.get() else { return }
        }
    }

    /// Appends an entry with what is known of it now, unless it is gone or no longer what was asked for.
    ///
    /// - Parameter name: a NUL stands behind it.
    func append(
        _ name: UnsafeBufferPointer<UInt8>, _ kind: EntryKind?, of folder: borrowing Folder,
        _ query: EntryQuery, to entries: inout EntryBatch, missing: inout FileError?
    ) {
        guard let details = folder.details(of: name, knownKind: kind),
            query.kinds.contains(kind: details.kind)
        else { return }
        if let error = details.missing { missing = error }
        entries.append(
            name: name, folder: nil, kind: details.kind, size: details.size,
            modified: details.modified, target: details.target, matches: nil)
    }

    /// A path that is no folder: its one entry, under the name asked.
    func page(
        of status: FileStatus, _ query: EntryQuery, _ request: PageRequest
    ) -> EntryPage {
        var page = EntryPage(isOfOneEntry: true)
        let name = Array(query.path.lastName ?? [])
        guard query.kinds.contains(kind: status.kind) else { return page }
        page.total = Total(value: 1, isExact: true)
        let place = ListPosition(name: name, isDirectory: false).key(in: query.order)
        if let after = request.after?.key(in: query.order), !after.lexicographicallyPrecedes(place)
        {
            return page
        }
        name.withUnsafeBufferPointer { name in
            page.entries.append(
                name: name, folder: nil, kind: status.kind, size: status.size,
                modified: status.modified, target: nil, matches: nil)
        }
        return page
    }
}
