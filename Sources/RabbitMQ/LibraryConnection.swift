internal import CRabbitMQ
internal import Glibc

/// Owns librabbitmq's connection, and a descriptor of its socket that stays ours: the library closes its own in the
/// middle of a call (a heartbeat missed, an answer that did not come), and the number may belong to another then.
final class LibraryConnection {
    let state: amqp_connection_state_t
    /// -1 until connected.
    private(set) var socket: CInt = -1
    private let interrupter: BrokerInterrupter

    init(_ interrupter: BrokerInterrupter) throws(RabbitMQError) {
        guard let state = amqp_new_connection() else {
            throw RabbitMQError(.system, "no memory for a connection")
        }
        self.state = state
        self.interrupter = interrupter
    }

    deinit {
        interrupter.detach(socket)
        // Polite words (`amqp_connection_close`) would wait for a broker that may be stalled.
        amqp_destroy_connection(state)
        if socket >= 0 { close(socket) }
    }

    /// Opens the TCP connection, and TLS in it.
    func open(
        _ configuration: BrokerConfiguration, _ host: BrokerConfiguration.Host,
        _ deadline: MonotonicDeadline
    ) throws(RabbitMQError) {
        let library =
            configuration.isEncrypted
            ? try encryptedSocket(configuration) : amqp_tcp_socket_new(state)
        guard let library else { throw RabbitMQError(.system, "no memory for a socket") }
        var time = deadline.interval
        let status = amqp_socket_open_noblock(library, host.name, CInt(host.port), &time)
        guard status == AMQP_STATUS_OK.rawValue else {
            let error = RabbitMQError(status: status, doing: "no connection to \(host)")
            // Nobody listens, or the handshake failed: that is no connection which broke.
            guard error.code == .closed else { throw error }
            throw RabbitMQError(.unreachable, error.message)
        }
        socket = fcntl(amqp_get_sockfd(state), F_DUPFD_CLOEXEC, 3)
        guard socket >= 0 else { throw RabbitMQError(.system, "no descriptor for \(host)") }
        interrupter.attach(socket)
    }

    private func encryptedSocket(
        _ configuration: BrokerConfiguration
    ) throws(RabbitMQError) -> OpaquePointer? {
        guard let socket = amqp_ssl_socket_new(state) else { return nil }
        amqp_ssl_socket_set_verify_peer(socket, 1)
        amqp_ssl_socket_set_verify_hostname(socket, 1)
        // TLS 1.2 at least; 0.11 knows no name for 1.3, and does not forbid it.
        try require(
            amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST),
            "TLS 1.2 can't be had")
        try require(
            amqp_ssl_socket_set_cacert(socket, configuration.authorityFile),
            "no certificates can be read from \(configuration.authorityFile)")
        return socket
    }

    private func require(_ status: CInt, _ what: String) throws(RabbitMQError) {
        guard status == AMQP_STATUS_OK.rawValue else { throw RabbitMQError(.configuration, what) }
    }

    /// How long what is written may lie there without the broker's taking it, before the kernel ends the connection.
    ///
    /// librabbitmq waits without end to write; this ends that. It counts from the last byte taken (Linux: from the first
    /// probe of a closed window, some 0.2 s later).
    func limitWrites(milliseconds: Int) {
        // It can fail only for a socket that is gone, which the write then tells.
        _ = crabbitmq_set_user_timeout(socket, UInt32(clamping: max(milliseconds, 1)))
    }

    /// Waits until there is room to write, or something to read, or time is over.
    ///
    /// - Returns: whether there is room.
    func waitToWrite(milliseconds: Int) throws(RabbitMQError) -> Bool {
        var place = pollfd(fd: socket, events: Int16(POLLIN | POLLOUT), revents: 0)
        let count = poll(&place, 1, CInt(clamping: milliseconds))
        if count < 0, errno != EINTR {
            throw RabbitMQError(.system, "poll: \(String(cString: strerror(errno)))")
        }
        // A socket that is broken is for the write to tell.
        return count > 0 && place.revents & ~Int16(POLLIN) != 0
    }

    /// Waits until there is something to read, or `wake` is signalled.
    ///
    /// - Returns: whether it was `wake`.
    func waitToRead(wake: WakeUp?, milliseconds: Int) throws(RabbitMQError) -> Bool {
        var places = [
            pollfd(fd: wake?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
        ]
        let count = poll(&places, 2, CInt(clamping: milliseconds))
        if count < 0, errno != EINTR {
            throw RabbitMQError(.system, "poll: \(String(cString: strerror(errno)))")
        }
        return count > 0 && places[0].revents != 0
    }
}
