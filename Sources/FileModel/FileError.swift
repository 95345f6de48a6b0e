/// Why something beneath the tree can't be read.
public struct FileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What went wrong.
    public enum Code: Sendable, Hashable, CaseIterable {
        /// No such path, or one that leads outside the tree: nobody can tell which.
        case absent
        /// The path leads through a file, or must be a folder and is none.
        case notFolder
        /// It is there, and may not be read.
        case noPermission
        /// Hidden names are asked for and the configuration does not serve them.
        case hiddenNotServed
        /// The process or the system has no descriptors or memory left; may help to try again.
        case noResources
        /// To bring it into order takes more memory than is allowed for that.
        case tooMuchToSort
        /// Others that bring something into order have the memory just now.
        case sortingBusy
        /// Whoever asked has gone.
        case cancelled
        /// The served tree itself is not there (now).
        case treeAbsent
        /// The file system failed.
        case failed
    }

    /// What went wrong.
    public let code: Code
    /// For the operator: the system call and its `errno`, never for a client.
    public let description: String

    /// An error.
    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

extension FileError {
    /// Why entries could not be brought into order.
    public init(_ failure: EntrySorter.Failure) {
        switch failure {
        case .tooMuch:
            self.init(.tooMuchToSort, "more names than half of PASARELA_SORT_BYTES_MAX lets sort")
        case .busy: self.init(.sortingBusy, "PASARELA_SORT_BYTES_MAX is reached by others")
        case .cancelled: self.init(.cancelled, "given up")
        }
    }
}
