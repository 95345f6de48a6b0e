import FileModel
import RootedFiles

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
    ///
    /// - Parameter name: a NUL stands behind it.
    mutating func append(
        _ name: UnsafeBufferPointer<UInt8>, in folder: UnsafeBufferPointer<UInt8>,
        _ kind: EntryKind?, matcher: inout NameMatcher?, to page: inout EntryPage
    ) {
        let details: EntryDetails?
        do throws(FileError) {
            let holder = try holder(of: folder)
            details = holder.folder.details(of: name, knownKind: kind)
        } catch  where error.code == .absent || error.code == .notFolder {
            return
        } catch {
            page.note(Notice(error, at: query.path.appending(folder: folder, name: [])))
            return
        }
        guard let details, query.kinds.contains(kind: details.kind) else { return }
        if let missing = details.missing {
            let notice = Notice(missing, at: query.path.appending(folder: folder, name: []))
            if page.notices.last != notice { page.note(notice) }
        }
        page.entries.append(
            name: name, folder: folder, kind: details.kind, size: details.size,
            modified: details.modified, target: details.target,
            matches: matcher?.ranges(in: name))
    }

    private mutating func holder(
        of folder: UnsafeBufferPointer<UInt8>
    ) throws(FileError) -> SharedFolder {
        if folder.isEmpty { return base }
        if let place, openFolder.elementsEqual(folder) { return place }
        let path = Array(folder)
        let opened = SharedFolder(try base.folder.openPlace(path))
        place = opened
        openFolder = path
        return opened
    }
}
