"""From the start of an executable to its first answer."""

import os
import socket
import struct
import subprocess
import time

SERVICES = ("gateway", "mserv1", "mserv2")


def ready_milliseconds(service, binaries, root, folder):
    """Starts a service by hand, asks until it answers, ends it; the time between in milliseconds.

    The gateway answers a FastCGI request for /salud with 200, a daemon the standard health check with SERVING.
    """
    path = f"{folder}/{service}.sock"
    environment = {
        "PATH": os.environ["PATH"], "PASARELA_ROOT": root, "PASARELA_RUNTIME_DIR": folder,
        "PASARELA_STATE_DIR": f"{folder}/state"}
    ask = _fastcgi_health if service == "gateway" else _grpc_health
    with open(f"{folder}/{service}.log", "ab") as log:
        start = time.perf_counter()
        process = subprocess.Popen(
            [f"{binaries}/{service}"], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            while True:
                try:
                    with socket.socket(socket.AF_UNIX) as connection:
                        connection.settimeout(2)
                        connection.connect(path)
                        if ask(connection):
                            return (time.perf_counter() - start) * 1000
                except OSError:
                    pass
                if process.poll() is not None or time.perf_counter() - start > 10:
                    with open(log.name) as text:
                        raise RuntimeError(f"{service} was not ready within 10 s: {text.read()[-500:]}")
                time.sleep(0.0005)
        finally:
            process.terminate()
            process.wait(10)


def measure(binaries, root, folder, rounds):
    """{service: ascending milliseconds}; the services in turn, round by round."""
    times = {service: [] for service in SERVICES}
    for turn in range(rounds + 1):
        for service in SERVICES:
            taken = ready_milliseconds(service, binaries, root, folder)
            if turn > 0:  # The first one may have to read the executable from the disk.
                times[service].append(taken)
    return {service: sorted(taken) for service, taken in times.items()}


def _read(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionError("closed")
        data += piece
    return data


def _fastcgi_health(connection):
    """GET /salud (FastCGI 1.0, section 3): whether the answer is a 200."""
    parameters = b"".join(
        bytes([len(name), len(value)]) + name + value for name, value in (
            (b"REQUEST_METHOD", b"GET"), (b"REQUEST_URI", b"/salud"),
            (b"SERVER_PROTOCOL", b"HTTP/1.1"), (b"REQUEST_ID", b"benchmark")))
    begin, params, stdin, end, stdout = 1, 4, 5, 3, 6
    record = lambda kind, content: struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content
    connection.sendall(
        record(begin, struct.pack(">HB5x", 1, 0)) + record(params, parameters)
        + record(params, b"") + record(stdin, b""))
    answer, kind = b"", 0
    while kind != end:
        _, kind, _, size, padding = struct.unpack(">BBHHBx", _read(connection, 8))
        content = _read(connection, size + padding)[:size]
        if kind == stdout:
            answer += content
    head = answer.partition(b"\r\n\r\n")[0]
    # Without a Status it is 200 (RFC 3875, 6.3.3).
    return b"Status:" not in head or b"Status: 200" in head


def _grpc_health(connection):
    """grpc.health.v1.Health/Check for "", as bytes of HTTP/2 (RFC 9113): whether the answer is SERVING."""
    text = lambda value: bytes([len(value)]) + value
    # HPACK (RFC 7541): indexed fields, then literals without indexing, names from the static table.
    headers = (
        b"\x83\x86\x04" + text(b"/grpc.health.v1.Health/Check") + b"\x01" + text(b"localhost")
        + b"\x00" + text(b"te") + text(b"trailers") + b"\x0f\x10" + text(b"application/grpc"))
    frame = lambda kind, flags, stream, content: (
        struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content)
    data, header, settings = 0, 1, 4
    connection.sendall(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings, 0, 0, b"")
        + frame(header, 4, 1, headers) + frame(data, 1, 1, b"\0\0\0\0\0"))
    while True:
        prefix = _read(connection, 9)
        content = _read(connection, int.from_bytes(prefix[:3], "big"))
        if prefix[3] == data:
            return content == b"\0\0\0\0\x02\x08\x01"
        if prefix[3] == header and prefix[4] & 1:  # Trailers at once: an error.
            return False
