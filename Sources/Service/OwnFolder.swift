private import CLinux
private import Glibc

/// A folder that a service keeps things in that others must not put there.
public enum OwnFolder {
    /// Why a folder can't be used.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        /// One line for the operator.
        public let description: String
    }

    /// Makes the folder and those above it where they are missing, and refuses one that somebody else could have made
    /// or can write into: whoever could, could stand in for a service.
    ///
    /// - Parameters:
    ///   - path: absolute.
    ///   - mode: the permission bits of the last folder, where it is made.
    public static func make(_ path: String, mode: Int) throws(Failure) {
        var folder = ""
        let names = path.split(separator: "/")
        for (index, name) in names.enumerated() {
            folder += "/\(name)"
            let bits = index == names.count - 1 ? mode_t(mode) : 0o755
            if mkdir(folder, bits) != 0, errno != EEXIST {
                throw Failure(description: "\(folder): mkdir: \(String(cString: strerror(errno)))")
            }
        }
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw Failure(description: "\(path): stat: \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw Failure(description: "\(path): is no folder")
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw Failure(description: "\(path): belongs to user \(status.st_uid), not to this one")
        }
        guard status.st_mode & 0o022 == 0 else {
            throw Failure(description: "\(path): others may write into it")
        }
    }
}
