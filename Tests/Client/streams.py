"""What tests of streams need: a client that reads as much as the test says, and a look at what a daemon does meanwhile."""

import http.client
import re
import socket
import ssl
import time
import uuid
from datetime import datetime

from client import Answer, check_every_answer, strict_json
from stack import until

# A search that takes seconds: 31 words that all but match each of 200,000 names, so that none is excluded.
SLOW = " ".join(f"-*e*n*t*r*a*d*a*e*u*n*a*c*{letter}{letter}q*" for letter in "abcdefghijklmnopqrstuvwxyzabcde")


def has_end(body):
    """Whether the last line is whole, and an end."""
    last = body.rpartition(b"\n")[0].rpartition(b"\n")[2] if body.endswith(b"\n") else b""
    return last.startswith((b'{"fin":', b"# fin "))


def counted(body, form):
    """What the last line of a long body says; of the others only that they are so many."""
    last = body[body.rindex(b"\n", 0, -1) + 1:] if body.count(b"\n") > 1 else body
    number = body.count(b"\n") - 1
    if form == "texto":
        assert re.match(rb"# fin %d( incompleto)?[ \n]" % number, last), last
    else:
        assert strict_json(last)["total"] == number, last
    return number


class Reader:
    """A request over a connection of its own, with little room: nothing is read that the test does not read."""

    def __init__(self, stack, asked, headers=None, method="GET", room=1 << 16):
        self.asked = asked.encode() if isinstance(asked, str) else asked
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        plain.settimeout(30)
        plain.connect(("127.0.0.1", stack.port))
        self.socket = stack.client.context.wrap_socket(plain, server_hostname="localhost")
        given = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self.socket.sendall(method.encode() + b" " + self.asked + b" HTTP/1.1\r\nHost: localhost\r\n"
                            + given.encode() + b"\r\n")
        self.begun = time.monotonic()
        self.response = http.client.HTTPResponse(self.socket, method=method)
        self.body, self.whole = bytearray(), None

    def head(self):
        """The answer without its body."""
        self.response.begin()
        answer = Answer(self.response.status, [(n.lower(), v) for n, v in self.response.headers.items()], b"", self.asked)
        check_every_answer(answer)
        return answer

    def take(self, count):
        """Reads so many bytes of the body more, fewer only at its end; False there. `whole`: it was no cut."""
        wanted = len(self.body) + count
        while len(self.body) < wanted and self.whole is None:
            try:
                piece = self.response.read1(min(wanted - len(self.body), 1 << 16))
            except (http.client.IncompleteRead, ConnectionError, ssl.SSLError):
                self.whole = False
                break
            if not piece:
                self.whole = True
            self.body += piece
        return self.whole is None

    def rest(self):
        while self.take(1 << 20):
            pass
        return bytes(self.body)

    def close(self):
        """Goes away: what is on the way is answered with a reset."""
        self.response.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def reading(stack, asked, first=1 << 16, **more):
    """A stream that has begun: 200, and so many bytes are read. One that ended just now may still have its place."""
    def opened():
        reader = Reader(stack, asked, **more)
        answer = reader.head()
        if answer.status == 503 and b"sobrecarga" in reader.rest():
            reader.close()
            return None
        assert answer.status == 200, (answer.status, reader.rest()[:500])
        return reader

    reader = until(opened, "a place among the streams")
    assert reader.take(first), f"ended within {first} bytes: {reader.body[-300:]}"
    return reader


def identity():
    return "prueba-" + uuid.uuid4().hex


def pss(pid):
    """Proportional set size in KiB."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return int(re.search(r"^Pss:\s+(\d+) kB", file.read(), re.M)[1])


def cpu(pid):
    """Seconds of processor that a process has had."""
    return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3) as the kernel numbers it.


def ended_call(stack, part, name):
    """(when, gRPC status) of a request's call in its daemon's log, or None."""
    for line in stack.parts[part].said().splitlines():
        if f"REQUEST_ID={name} " in line and (found := re.search(r"RPC_GRPC_STATUS_CODE=(\d+)", line)):
            return datetime.fromisoformat(line.split()[0].replace("Z", "+00:00")).timestamp(), int(found[1])
    return None
