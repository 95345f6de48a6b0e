internal import FileModel
private import Glibc

extension FileError {
    /// The error of a system call that failed just now, by path_resolution(7) and openat2(2).
    init(errno number: Int32, call: String) {
        let code: Code =
            switch number {
            // EXDEV: the path leaves the root. ELOOP: too many links, or a magic one.
            case ENOENT, EXDEV, ELOOP, ENAMETOOLONG: .absent
            case ENOTDIR: .notFolder
            case EACCES, EPERM: .noPermission
            case EMFILE, ENFILE, ENOMEM: .noResources
            default: .failed
            }
        self.init(code, "\(call): \(String(cString: strerror(number)))")
    }
}
