public import FileModel
public import RPC

// Errors of the tree change language here, in both directions: a round trip is tested.

extension RPCError {
    /// How a daemon tells a client what went wrong beneath the tree. What the system said stays in the daemon's log.
    public init(_ error: FileError) {
        switch error.code {
        case .absent: self.init(.notFound, "absent")
        case .notFolder: self.init(.failedPrecondition, "not a folder")
        case .noPermission: self.init(.permissionDenied, "may not be read")
        case .hiddenNotServed: self.init(.permissionDenied, "hidden")
        case .noResources: self.init(.resourceExhausted, "out of descriptors or memory")
        case .tooMuchToSort: self.init(.outOfRange, "too much to sort")
        case .sortingBusy: self.init(.outOfRange, "others sort")
        case .cancelled: self.init(.cancelled, "given up")
        case .treeAbsent: self.init(.aborted, "the served tree is not there")
        case .failed: self.init(.internalError, "the file system failed")
        }
    }
}

extension FileError.Code {
    /// What a daemon's answer says of the tree; nil where it is about something else.
    public init?(_ error: RPCError) {
        switch error.code {
        case .notFound: self = .absent
        case .failedPrecondition: self = .notFolder
        case .permissionDenied: self = error.message == "hidden" ? .hiddenNotServed : .noPermission
        case .outOfRange: self = error.message == "others sort" ? .sortingBusy : .tooMuchToSort
        default: return nil
        }
    }
}
