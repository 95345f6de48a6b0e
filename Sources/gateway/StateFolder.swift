import Glibc

/// The gateway's folder for what outlives a restart.
enum StateFolder {
    /// Why it can't be used.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Makes the folder and those above it where they are missing; nobody else may look into it.
    static func make(_ path: String) throws(Failure) {
        var folder = ""
        let names = path.split(separator: "/")
        for (index, name) in names.enumerated() {
            folder += "/\(name)"
            let mode: mode_t = index == names.count - 1 ? 0o700 : 0o755
            if mkdir(folder, mode) != 0, errno != EEXIST {
                throw Failure(description: "\(folder): mkdir: \(String(cString: strerror(errno)))")
            }
        }
    }
}
