import FileModel
import RootedFiles

/// One walk through everything beneath a folder. Links are entries; they are never followed.
///
/// Folders wait as paths, not as descriptors, so depth and width cost no descriptors. Each is opened beneath the
/// searched one without following links.
struct TreeWalk {
    private let query: EntryQuery
    private let deadline: ContinuousClock.Instant?
    private let isCancelled: () -> Bool
    /// Paths of folders that are still to be read.
    private var waiting: [[UInt8]] = [[]]
    private var waitingBytes = 0
    /// What they may take: some 500,000 folders side by side.
    private static let waitingBytesMax = 64 << 20
    private var sinceLook = 0

    /// Whether everything was seen so far.
    private(set) var isComplete = true
    /// Why not; at most ``Notice/countMax``.
    private(set) var notices: [Notice] = []

    init(
        query: EntryQuery, deadline: ContinuousClock.Instant?, isCancelled: @escaping () -> Bool
    ) {
        self.query = query
        self.deadline = deadline
        self.isCancelled = isCancelled
    }

    /// Calls `body` with folder, name and kind of every entry that passes the query's filters, until it returns false.
    ///
    /// - Throws: ``FileError`` where the searched folder itself can't be read.
    mutating func forEachEntry(
        beneath base: SharedFolder,
        _ body: (UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>, EntryKind) -> Bool
    ) throws(FileError) {
        let buffer = Folder.Buffer()
        while let path = waiting.popLast() {
            waitingBytes -= path.count
            if isOver() { return }
            let goesOn: Bool
            do throws(FileError) {
                if path.isEmpty {
                    goesOn = try read(base.folder, at: path, buffer, body)
                } else {
                    goesOn = try read(base.folder.openSubfolder(path), at: path, buffer, body)
                }
            } catch  where path.isEmpty {
                throw error
            } catch  where error.code == .absent || error.code == .notFolder {
                continue  // It went, or became something else, since its name was read.
            } catch {
                note(Notice(error, at: query.path.appending(folder: path, name: [])))
                continue
            }
            if !goesOn { return }
        }
    }

    private mutating func read(
        _ folder: borrowing Folder, at path: [UInt8], _ buffer: Folder.Buffer,
        _ body: (UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>, EntryKind) -> Bool
    ) throws(FileError) -> Bool {
        var goesOn = true
        var untold: [[UInt8]] = []
        try path.withUnsafeBufferPointerThrowing { (place) throws(FileError) in
            try folder.forEachName(using: buffer) { name in
                // A name may cost a long query some milliseconds; a look at the clock costs 30 ns.
                sinceLook += 1
                if sinceLook == 32 {
                    sinceLook = 0
                    goesOn = !isOver()
                    if !goesOn { return false }
                }
                guard query.admits(name: name.bytes) else { return true }
                guard let kind = name.kind else {
                    untold.append(Array(name.bytes) + [0])
                    return true
                }
                goesOn = visit(place, name.bytes, kind, body)
                return goesOn
            }
        }
        for name in untold where goesOn {
            let result: Result<Bool, FileError> = path.withUnsafeBufferPointer { place in
                name.withUnsafeBufferPointer { name in
                    let name = UnsafeBufferPointer(rebasing: name.dropLast())
                    do throws(FileError) {
                        guard let kind = try folder.status(of: name)?.kind else {
                            return .success(true)
                        }
                        return .success(visit(place, name, kind, body))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            goesOn = try result.get()
        }
        return goesOn
    }

    private mutating func visit(
        _ place: UnsafeBufferPointer<UInt8>, _ name: UnsafeBufferPointer<UInt8>, _ kind: EntryKind,
        _ body: (UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>, EntryKind) -> Bool
    ) -> Bool {
        if kind == .directory { enqueue(place, name) }
        return query.kinds.contains(kind: kind) ? body(place, name, kind) : true
    }

    private mutating func enqueue(
        _ place: UnsafeBufferPointer<UInt8>, _ name: UnsafeBufferPointer<UInt8>
    ) {
        var path: [UInt8] = []
        path.reserveCapacity(place.count + 1 + name.count)
        if !place.isEmpty {
            path.append(contentsOf: place)
            path.append(UInt8(ascii: "/"))
        }
        path.append(contentsOf: name)
        if query.path.bytes.count + 1 + path.count > RelativePath.byteCountMax {
            note(Notice(.pathTooLong, path: query.path.appending(folder: path, name: [])))
        } else if waitingBytes + path.count > Self.waitingBytesMax {
            note(Notice(.treeTooLarge, path: query.path.appending(folder: path, name: [])))
        } else {
            waiting.append(path)
            waitingBytes += path.count
        }
    }

    /// Whether the walk has to end now; notes why.
    private mutating func isOver() -> Bool {
        if isCancelled() {
            isComplete = false
            return true
        }
        if let deadline, ContinuousClock.now >= deadline {
            note(Notice(.outOfTime))
            return true
        }
        return false
    }

    private mutating func note(_ notice: Notice) {
        isComplete = false
        if notices.count < Notice.countMax { notices.append(notice) }
    }
}

extension [UInt8] {
    /// `withUnsafeBufferPointer` with a typed error.
    fileprivate func withUnsafeBufferPointerThrowing(
        _ body: (UnsafeBufferPointer<UInt8>) throws(FileError) -> Void
    ) throws(FileError) {
        let result: Result<Void, FileError> = withUnsafeBufferPointer { buffer in
            do throws(FileError) {
                return .success(try body(buffer))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}
