import ArchiveProtocol
import FileModel
import RPC

extension Problem {
    /// What a daemon's error means to the client.
    ///
    /// - Parameter daemon: its name, for whoever reads the problem.
    init(_ error: RPCError, of daemon: String) {
        if let code = FileError.Code(error) {
            self.init(code)
            callCode = error.code
            return
        }
        switch error.code {
        case .unavailable:
            self.init(
                .serviceAbsent,
                Text(
                    "\(daemon) está parado o reiniciándose.",
                    "\(daemon) is stopped or restarting."))
            retryAfter = 1
        case .aborted:
            self.init(
                .serviceAbsent,
                Text(
                    "El árbol que se sirve no está en su sitio.",
                    "The served tree is not in its place."))
            retryAfter = 1
        case .resourceExhausted:
            self.init(.overload)
            retryAfter = 1
        case .deadlineExceeded, .cancelled: self.init(.outOfTime)
        default: self.init(.internalError)
        }
        callCode = error.code
        cause = "\(daemon): \(error.code): \(error.message)"
    }

    private init(_ code: FileError.Code) {
        switch code {
        case .absent: self.init(.absent, parameter: "ruta")
        case .notFolder: self.init(.notFolder, parameter: "ruta")
        case .noPermission: self.init(.noPermission, parameter: "ruta")
        case .hiddenNotServed:
            self.init(
                .noPermission,
                Text(
                    "Este servidor no sirve nombres ocultos.",
                    "This server does not serve hidden names."), parameter: "ocultos")
        case .tooMuchToSort:
            self = .invalidValue(
                "orden",
                Text(
                    "pide ordenar más nombres de los que caben en la memoria reservada; ninguno no ordena",
                    "asks to sort more names than fit into the memory set aside; ninguno does not sort"
                ))
        case .noResources, .sortingBusy, .cancelled, .treeAbsent:
            self.init(.overload)
            retryAfter = 1
        case .failed: self.init(.internalError)
        }
    }
}
