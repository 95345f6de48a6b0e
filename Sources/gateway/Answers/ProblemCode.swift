/// Every problem that a client can be told of: the last part of its `type`, its `codigo`.
enum ProblemCode: String, Sendable, Hashable, CaseIterable {
    case unknownParameter = "parametro_desconocido"
    case repeatedParameter = "parametro_repetido"
    case invalidValue = "valor_invalido"
    case invalidCursor = "cursor_invalido"
    case notFolder = "no_es_directorio"
    case noPermission = "sin_permiso"
    case absent = "no_existe"
    case unknownRoute = "ruta_http_desconocida"
    case methodNotAllowed = "metodo_no_permitido"
    case notAcceptable = "no_aceptable"
    case ticketUnknown = "solicitud_inexistente"
    case ticketPending = "solicitud_pendiente"
    case ticketExpired = "solicitud_caducada"
    case backlogFull = "backlog_lleno"
    case internalError = "error_interno"
    case serviceAbsent = "servicio_ausente"
    case overload = "sobrecarga"
    case outOfTime = "plazo_vencido"
    // nginx answers these itself; their pages are here.
    case badRequest = "peticion_invalida"
    case bodyTooLarge = "cuerpo_demasiado_grande"
    case targetTooLong = "uri_demasiado_larga"
    case tooManyRequests = "demasiadas_solicitudes"
    case headersTooLarge = "cabeceras_demasiado_grandes"
    case preconditionFailed = "precondicion_fallida"
    case notImplemented = "no_implementado"
    case unknownVersion = "version_http_no_admitida"

    /// The HTTP status (RFC 9110, 15).
    var status: Int {
        switch self {
        case .unknownParameter, .repeatedParameter, .invalidValue, .invalidCursor, .notFolder,
            .badRequest:
            400
        case .noPermission: 403
        case .absent, .unknownRoute, .ticketUnknown: 404
        case .methodNotAllowed: 405
        case .notAcceptable: 406
        case .ticketPending: 409
        case .ticketExpired: 410
        case .bodyTooLarge: 413
        case .targetTooLong: 414
        case .tooManyRequests: 429
        case .headersTooLarge: 431
        case .preconditionFailed: 412
        case .notImplemented: 501
        case .unknownVersion: 505
        case .internalError: 500
        case .serviceAbsent, .overload, .backlogFull: 503
        case .outOfTime: 504
        }
    }

    /// What it is, in a few words: `title`.
    var title: Text {
        switch self {
        case .unknownParameter: Text("Parámetro desconocido", "Unknown parameter")
        case .repeatedParameter: Text("Parámetro repetido", "Repeated parameter")
        case .invalidValue: Text("Valor no válido", "Invalid value")
        case .invalidCursor: Text("Cursor no válido", "Invalid cursor")
        case .notFolder: Text("No es un directorio", "Not a folder")
        case .noPermission: Text("Sin permiso", "No permission")
        case .absent: Text("No existe", "Does not exist")
        case .unknownRoute: Text("Dirección desconocida", "Unknown address")
        case .methodNotAllowed: Text("Método no permitido", "Method not allowed")
        case .notAcceptable: Text("Formato no disponible", "Format not available")
        case .ticketUnknown: Text("Solicitud inexistente", "No such ticket")
        case .ticketPending: Text("Solicitud pendiente", "Ticket pending")
        case .ticketExpired: Text("Solicitud caducada", "Ticket expired")
        case .backlogFull: Text("Cola llena", "Backlog full")
        case .internalError: Text("Error interno", "Internal error")
        case .serviceAbsent: Text("Servicio ausente", "Service absent")
        case .overload: Text("Sobrecarga", "Overload")
        case .outOfTime: Text("Plazo vencido", "Out of time")
        case .badRequest: Text("Petición no válida", "Bad request")
        case .bodyTooLarge: Text("Cuerpo demasiado grande", "Body too large")
        case .targetTooLong: Text("Dirección demasiado larga", "Address too long")
        case .tooManyRequests: Text("Demasiadas peticiones", "Too many requests")
        case .headersTooLarge: Text("Cabeceras demasiado grandes", "Headers too large")
        case .preconditionFailed: Text("Condición no cumplida", "Precondition failed")
        case .notImplemented: Text("No implementado", "Not implemented")
        case .unknownVersion: Text("Versión de HTTP no admitida", "HTTP version not supported")
        }
    }

    /// What it means, for the page `/problemas/CODIGO`.
    var meaning: Text {
        switch self {
        case .unknownParameter:
            Text(
                "La petición lleva un parámetro que esta dirección no conoce.",
                "The request has a parameter that this address does not know.")
        case .repeatedParameter:
            Text(
                "La petición lleva dos veces el mismo parámetro.",
                "The request has the same parameter twice.")
        case .invalidValue:
            Text(
                "Un parámetro tiene un valor que no se puede usar; `parametro` dice cuál.",
                "A parameter has a value that can't be used; `parametro` says which.")
        case .invalidCursor:
            Text(
                "El cursor no viene de esta lista, o se ha alterado.",
                "The cursor does not come from this list, or was altered.")
        case .notFolder:
            Text(
                "La ruta pasa por un archivo, o hacía falta un directorio y no lo es.",
                "The path leads through a file, or a folder was needed and it is none.")
        case .noPermission:
            Text(
                "Existe, pero este servidor no puede leerlo o no lo sirve.",
                "It exists, but this server may not read it or does not serve it.")
        case .absent:
            Text(
                "No hay nada en esa ruta del árbol servido.",
                "There is nothing at that path of the served tree.")
        case .unknownRoute:
            Text(
                "El servidor no tiene esa dirección.", "The server does not have that address.")
        case .methodNotAllowed:
            Text(
                "Esa dirección no se puede usar con ese método HTTP.",
                "That address can't be used with that HTTP method.")
        case .notAcceptable:
            Text(
                "La respuesta no existe en ninguno de los formatos que pide Accept.",
                "The answer does not exist in any of the formats that Accept asks for.")
        case .ticketUnknown:
            Text(
                "No hay ninguna solicitud con ese identificador, o se ha borrado.",
                "There is no ticket with that id, or it was deleted.")
        case .ticketPending:
            Text(
                "La solicitud aún no tiene respuesta.", "The ticket has no answer yet.")
        case .ticketExpired:
            Text(
                "El plazo de la solicitud ha pasado; lo que guardaba ya no está.",
                "The ticket's time is over; what it kept is gone.")
        case .backlogFull:
            Text(
                "El servicio está parado, y no caben más solicitudes en espera.",
                "The service is stopped, and there is no room for more tickets.")
        case .internalError:
            Text(
                "Algo ha fallado en el servidor; está anotado con el identificador de la petición.",
                "Something failed in the server; it is logged with the request's id.")
        case .serviceAbsent:
            Text(
                "El servicio que responde a esto está parado o reiniciándose.",
                "The service that answers this is stopped or restarting.")
        case .overload:
            Text(
                "El servidor tiene ahora más trabajo del que puede hacer.",
                "The server has more work now than it can do.")
        case .outOfTime:
            Text(
                "La respuesta no llegó dentro del plazo.", "The answer did not come in time.")
        case .badRequest:
            Text(
                "La petición no cumple HTTP y no se ha podido leer.",
                "The request is not valid HTTP and could not be read.")
        case .bodyTooLarge:
            Text(
                "La petición lleva un cuerpo; aquí no hace falta ninguno.",
                "The request has a body; none is needed here.")
        case .targetTooLong:
            Text(
                "La dirección es más larga de lo que el servidor admite.",
                "The address is longer than the server takes.")
        case .tooManyRequests:
            Text(
                "Desde una misma dirección de red llegan más peticiones de las que el servidor admite.",
                "More requests come from one network address than the server takes.")
        case .headersTooLarge:
            Text(
                "Las cabeceras de la petición son más grandes de lo que el servidor admite.",
                "The request's headers are larger than the server takes.")
        case .preconditionFailed:
            Text(
                "Lo pedido no cumple la condición que pone la petición.",
                "What is asked for does not meet the request's own condition.")
        case .notImplemented:
            Text(
                "El servidor no tiene lo que la petición supone.",
                "The server does not have what the request takes for granted.")
        case .unknownVersion:
            Text(
                "El servidor no habla esa versión de HTTP.",
                "The server does not speak that version of HTTP.")
        }
    }

    /// What to do about it, for the page `/problemas/CODIGO`.
    var remedy: Text {
        switch self {
        case .unknownParameter:
            Text(
                "Quítalo o corrige su nombre; /openapi.json los tiene todos.",
                "Leave it out or correct its name; /openapi.json has them all.")
        case .repeatedParameter: Text("Deja solo uno.", "Leave only one.")
        case .invalidValue:
            Text("Corrige el valor.", "Correct the value.")
        case .invalidCursor:
            Text(
                "Empieza la lista de nuevo, sin cursor, y no cambies los demás parámetros.",
                "Start the list again, without a cursor, and leave the other parameters as they are."
            )
        case .notFolder:
            Text(
                "Pide el directorio que lo contiene.", "Ask for the folder that it is in.")
        case .noPermission:
            Text(
                "Pide permiso a quien administra el servidor.",
                "Ask whoever runs the server for permission.")
        case .absent:
            Text(
                "Mira en el directorio de arriba: puede haberse movido.",
                "Look in the folder above: it may have moved.")
        case .unknownRoute:
            Text("/openapi.json tiene todas.", "/openapi.json has them all.")
        case .methodNotAllowed:
            Text("Usa los que dice la cabecera Allow.", "Use those that the header Allow names.")
        case .notAcceptable:
            Text(
                "Pide application/json o text/html.", "Ask for application/json or text/html.")
        case .ticketUnknown:
            Text(
                "Comprueba el identificador, o pide de nuevo lo que buscabas.",
                "Check the id, or ask again for what you wanted.")
        case .ticketPending:
            Text(
                "Espera los segundos que dice Retry-After, o pregunta con Prefer: wait.",
                "Wait the seconds that Retry-After tells, or ask with Prefer: wait.")
        case .ticketExpired:
            Text("Pide de nuevo lo que buscabas.", "Ask again for what you wanted.")
        case .internalError:
            Text(
                "Inténtalo más tarde; si sigue, da el identificador a quien administra el servidor.",
                "Try again later; if it goes on, give the id to whoever runs the server.")
        case .serviceAbsent, .overload, .backlogFull:
            Text(
                "Inténtalo de nuevo tras los segundos que dice Retry-After.",
                "Try again after the seconds that Retry-After tells.")
        case .outOfTime:
            Text(
                "Inténtalo de nuevo, o pide menos de una vez.",
                "Try again, or ask for less at once.")
        case .badRequest:
            Text("Usa un cliente que cumpla HTTP.", "Use a client that keeps to HTTP.")
        case .bodyTooLarge: Text("Quita el cuerpo.", "Leave the body out.")
        case .targetTooLong: Text("Acorta la dirección.", "Shorten the address.")
        case .tooManyRequests:
            Text(
                "Espera los segundos que dice Retry-After y haz menos peticiones a la vez.",
                "Wait the seconds that Retry-After tells, and make fewer requests at a time.")
        case .headersTooLarge:
            Text("Quita cabeceras o galletas.", "Leave headers or cookies out.")
        case .preconditionFailed:
            Text("Pídelo sin la condición.", "Ask for it without the condition.")
        case .notImplemented: Text("Pídelo de otro modo.", "Ask for it in another way.")
        case .unknownVersion: Text("Usa HTTP/1.1 o HTTP/2.", "Use HTTP/1.1 or HTTP/2.")
        }
    }
}
