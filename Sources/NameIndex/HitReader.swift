import FileModel
import RootedFiles

/// A name that matched, before it is looked at once more.
struct Hit: Sendable {
    /// Beneath the searched folder, "" or "a/b".
    let folder: [UInt8]
    let name: [UInt8]
    let kind: EntryKind
}

/// Reads what an answer tells of each hit. Keeps the last hit's folder open: neighbours often share it.
struct HitReader {
    private let base: SharedFolder
    private let query: EntryQuery
    private var openFolder: [UInt8] = []
    private var place: SharedFolder?

    init(base: SharedFolder, query: EntryQuery) {
        self.base = base
        self.query = query
    }

    /// Appends the hit to the page, unless it is gone or no longer what was asked for.
    mutating func append(_ hit: Hit, matcher: inout NameMatcher?, to page: inout EntryPage) {
        let details: EntryDetails?
        do throws(FileError) {
            let holder = try holder(of: hit)
            details = holder.folder.details(of: hit.name, knownKind: hit.kind)
        } catch where error.code == .absent || error.code == .notFolder {
            return
        } catch {
            page.note(Notice(error, at: query.path.appending(folder: hit.folder, name: [])))
            return
        }
        guard let details, query.kinds.contains(kind: details.kind) else { return }
        if let missing = details.missing {
            let notice = Notice(missing, at: query.path.appending(folder: hit.folder, name: []))
            if page.notices.last != notice { page.note(notice) }
        }
        page.entries.append(
            name: hit.name, folder: hit.folder, kind: details.kind, size: details.size,
            modified: details.modified, target: details.target,
            matches: hit.name.withUnsafeBufferPointer { matcher?.ranges(in: $0) })
    }

    private mutating func holder(of hit: Hit) throws(FileError) -> SharedFolder {
        if hit.folder.isEmpty { return base }
        if let place, openFolder == hit.folder { return place }
        let opened = SharedFolder(try base.folder.openPlace(hit.folder))
        place = opened
        openFolder = hit.folder
        return opened
    }
}
