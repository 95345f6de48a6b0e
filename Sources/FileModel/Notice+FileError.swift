extension Notice {
    /// What an error means for an answer that goes on without what it is about.
    public init(_ error: FileError, at path: RelativePath) {
        self.init(error, at: path.bytes)
    }

    /// What an error means for an answer that goes on without what it is about.
    public init(_ error: FileError, at path: [UInt8]) {
        switch error.code {
        case .noPermission, .hiddenNotServed: self.init(.noPermission, path: path)
        case .absent, .notFolder, .noResources, .tooMuchToSort, .sortingBusy, .cancelled,
            .treeAbsent, .failed:
            self.init(.readError, path: path)
        }
    }
}

extension EntryPage {
    /// Marks the page as not complete; past ``Notice/countMax`` notices only that.
    public mutating func note(_ notice: Notice) {
        isComplete = false
        if notices.count < Notice.countMax { notices.append(notice) }
    }
}
