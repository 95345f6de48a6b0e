public import FileModel
private import Glibc
public import RootedFiles

/// Searches names beneath a folder of the tree by walking it.
///
/// Each answer is read from the file system after the request came in: every change finished before is in it. A hit
/// is looked at once more before it is given; one that is gone is dropped.
public struct TreeSearcher: Sendable {
    let tree: ServedTree
    /// How long a walk may take.
    private let budget: Duration

    /// A searcher of a tree.
    public init(_ tree: ServedTree, budget: Duration) {
        self.tree = tree
        self.budget = budget
    }

    /// One page of the hits.
    ///
    /// - Parameters:
    ///   - text: what to look for; nil: everything that passes the query's filters.
    ///   - remaining: how long the caller still waits; the walk ends in time for an answer.
    ///   - isCancelled: asked now and then; true ends the walk.
    /// - Throws: ``FileError`` where there is nothing to search.
    public func page(
        _ query: EntryQuery, text: NameQuery?, _ request: PageRequest, remaining: Duration?,
        isCancelled: @escaping () -> Bool
    ) throws(FileError) -> EntryPage {
        let base = try openBase(query)
        var selection = PageSelection(request, in: query.order)
        var page = EntryPage()
        var total = 0
        var matcher = text.map { NameMatcher($0) }
        var walk = TreeWalk(
            query: query, deadline: deadline(remaining), isCancelled: isCancelled)
        try walk.forEachEntry(beneath: base) { folder, name, kind in
            guard matcher?.matches(name) ?? true else { return true }
            total += 1
            selection.offer(name: name, folder: folder, kind: kind)
            return true
        }
        for notice in walk.notices { page.note(notice) }
        page.isComplete = walk.isComplete
        page.total = Total(value: total, isExact: walk.isComplete)
        var reader = HitReader(base: base, query: query)
        page.next = selection.finish { hit in
            reader.append(
                hit.name, in: hit.folder, hit.kind, matcher: &matcher, to: &page)
            return page.entries.byteCount < PageRequest.byteCountMax
        }
        return page
    }

    func openBase(_ query: EntryQuery) throws(FileError) -> SharedFolder {
        switch try tree.open(query) {
        case .folder(let folder): return SharedFolder(folder)
        case .entry: throw FileError(.notFolder, "a search beneath what is no folder")
        }
    }

    /// When the walk has to end: its budget, and a little before the caller's patience.
    private func deadline(_ remaining: Duration?) -> ContinuousClock.Instant {
        let margin = Duration.milliseconds(200)
        let limit = remaining.map { min(budget, max($0 - margin, .milliseconds(50))) } ?? budget
        return .now + limit
    }
}

/// The folder that is searched, shared by the parts of one search.
final class SharedFolder {
    let folder: Folder

    init(_ folder: consuming Folder) {
        self.folder = folder
    }
}
