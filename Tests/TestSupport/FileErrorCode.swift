public import FileModel

/// The code of the error that a reading of the tree ends with.
public func fileError(_ body: () throws(FileError) -> Void) -> FileError.Code? {
    do throws(FileError) {
        try body()
        return nil
    } catch {
        return error.code
    }
}
