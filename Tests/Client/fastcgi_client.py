"""A web server's side of FastCGI 1.0, from the specification alone: good requests, and whatever else bytes can be.

`Connection` speaks to the gateway's own socket, past every web server.
"""

import socket
import struct
from dataclasses import dataclass

BEGIN, ABORT, END, PARAMETERS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, GET_VALUES_RESULT, UNKNOWN = range(1, 12)
RESPONDER, AUTHORIZER, FILTER = 1, 2, 3


def record(kind, number=1, content=b"", *, version=1, padding=0, length=None):
    """One record; `length` is what its header says where that is not the truth."""
    told = len(content) if length is None else length
    return struct.pack(">BBHHBx", version, kind, number, told, padding) + content + bytes(padding)


def begin(number=1, *, role=RESPONDER, keep=False):
    return record(BEGIN, number, struct.pack(">HB5x", role, keep))


def size(count, wide=False):
    """A length of a name-value pair: one byte, or four."""
    return struct.pack(">I", count | 1 << 31) if wide or count > 127 else bytes([count])


def pairs(parameters, wide=False):
    made = b""
    for name, value in parameters:
        name, value = (part.encode() if isinstance(part, str) else part for part in (name, value))
        made += size(len(name), wide) + size(len(value), wide) + name + value
    return made


def stream(kind, number, content, *, cut=65_535, padding=0):
    """A stream in records of at most `cut` bytes, and its end."""
    parts = [content[at:at + cut] for at in range(0, len(content), cut)]
    return b"".join(record(kind, number, part, padding=padding) for part in parts) + record(kind, number)


def parameters(target, method="GET", headers=()):
    """What every web server sends of a request; `headers` are pairs with HTTP's names."""
    return [("REQUEST_METHOD", method), ("REQUEST_URI", target), ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("REMOTE_ADDR", "127.0.0.1"),
            *(("HTTP_" + name.upper().replace("-", "_"), value) for name, value in headers)]


def request(told, number=1, *, body=b"", keep=False, cut=65_535, padding=0):
    return (begin(number, keep=keep) + stream(PARAMETERS, number, pairs(told), cut=cut, padding=padding)
            + stream(STDIN, number, body, cut=cut, padding=padding))


@dataclass
class Answer:
    status: int
    headers: list  # (name in lower case, value) in the order received.
    body: bytes

    def all(self, name):
        return [value for key, value in self.headers if key == name.lower()]


class Closed(Exception):
    """The gateway ended the connection before the answer was whole; what had come is its argument."""


class Connection:
    """One connection to a FastCGI socket."""

    def __init__(self, path, seconds=20):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(seconds)
        self.socket.connect(path)

    def send(self, data):
        """False where the gateway has ended the connection."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def finish(self):
        """Nothing more will be sent."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It is gone.

    def rest(self):
        """All that comes until the connection ends."""
        got = b""
        while True:
            try:
                part = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return got
            if not part:
                return got
            got += part

    def _exactly(self, count):
        got = b""
        while len(got) < count:
            part = self.socket.recv(count - len(got))
            if not part:
                raise Closed(got)
            got += part
        return got

    def answer(self, number=1):
        """The whole answer of a request: its CGI head and body."""
        out = b""
        while True:
            version, kind, its, length, padding = struct.unpack(">BBHHBx", self._exactly(8))
            content = self._exactly(length + padding)[:length]
            assert version == 1 and its == number, (version, kind, its, number)
            if kind == STDOUT:
                out += content
            elif kind == END:
                assert content[4] == 0, f"the request was refused: {content!r}"
                break
            else:
                assert kind == STDERR, f"a record of type {kind}"
        head, found, body = out.partition(b"\r\n\r\n")
        assert found, out[:200]
        lines = [line.partition(": ")[::2] for line in head.decode("latin-1").split("\r\n")]
        headers = [(name.lower(), value) for name, value in lines]
        status = next((value for name, value in headers if name == "status"), "200")
        return Answer(int(status.split()[0]), [pair for pair in headers if pair[0] != "status"], body)

    def ask(self, target, method="GET", headers=(), *, keep=False):
        self.send(request(parameters(target, method, headers), keep=keep))
        return self.answer()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ask(path, target, method="GET", headers=()):
    """The answer to a good request on a connection of its own."""
    with Connection(path) as connection:
        return connection.ask(target, method, headers)
