"""nginx as it is shipped: its limits, what it refuses itself, its times, TLS; by clients that come from addresses of
their own (127.0.0.0/8 has plenty), because 127.0.0.1 is exempt.

One whole Pasarela has all as it is by default; further nginx stand in front of the same gateway, or of a responder of the
test's own where the gateway would not do what is tested (say nothing, or stream at a pace that the test sets).
"""

import contextlib
import itertools
import os
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
import zlib
from http.client import HTTPResponse, HTTPSConnection

import h2.config
import h2.connection
import h2.errors
import h2.events
import httpx
import pytest

from client import Answer, check_every_answer, check_problem
from stack import REPOSITORY, Part, Stack, certificate, folder, free_port, until

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FROM_ANYWHERE = "set_real_ip_from 127.0.0.0/8;\nreal_ip_header X-Address;\n"
SHORT, SECONDS = "1s", 1.0
TITLES = {"es": "Demasiadas peticiones", "en": "Too many requests"}

_addresses = itertools.count(1)


@pytest.fixture
def address():
    """One that nobody has come from before: nothing is counted for it yet."""
    return new_address()


def new_address():
    number = next(_addresses)
    return f"127.9.{number // 250}.{number % 250 + 1}"


class Front:
    """An nginx of the test's own in front of a gateway's socket.

    `words` are nginx/render's; each of `times`, a directive with its value as shipped, gets the value SHORT; `others` is of
    the same kind, {directive with its value: as it is to be}.
    """

    def __init__(self, place, name, gateway, *words, own=None, times=(), others=()):
        self.place, self.port = f"{place}/{name}", free_port()
        os.makedirs(f"{self.place}/nginx")
        self.certificate, key = certificate(place)
        if own is not None:
            words += (f"OWN={self.place}/own.conf",)
            with open(f"{self.place}/own.conf", "w", encoding="utf-8") as file:
                file.write(own)
        text = subprocess.run(
            [str(REPOSITORY / "nginx" / "render"), f"PREFIX={self.place}/nginx", f"CERTIFICATE={self.certificate}",
             f"KEY={key}", f"GATEWAY_SOCKET={gateway}", f"PORT={self.port}", f"WWW={place}/a/www", "WORKERS=2", *words],
            check=True, capture_output=True, text=True).stdout
        for directive, changed in [*((each, f"{each.split()[0]} {SHORT}") for each in times), *dict(others).items()]:
            assert text.count(f" {directive};\n") == 1, directive
            text = text.replace(f" {directive};\n", f" {changed};\n")
        with open(f"{self.place}/nginx.conf", "w", encoding="utf-8") as file:
            file.write(text)
        environment = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
        self.nginx = Part("nginx", ["nginx", "-p", f"{self.place}/nginx", "-c", f"{self.place}/nginx.conf"],
                          f"{self.place}/nginx.log", environment)

    def __enter__(self):
        self.nginx.start()
        try:
            until(self._listens, "nginx to listen")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.nginx.end(signal.SIGKILL)

    def _listens(self):
        assert self.nginx.runs, self.nginx.said()
        with contextlib.suppress(ConnectionRefusedError):
            return plain(self.port, "127.0.0.1")


@pytest.fixture(scope="module")
def world():
    """All as it is by default."""
    with folder() as place:
        root = f"{place}/root"
        os.mkdir(root)
        with Stack(place, root) as stack:
            yield stack


@pytest.fixture(scope="module")
def strict(world):
    """One request at once, one more each minute; one at a time."""
    with Front(os.path.dirname(world.place), "strict", f"{world.runtime}/gateway.sock",
               "RATE=1r/m", "BURST=1", "AT_A_TIME=1", own=FROM_ANYWHERE) as front:
        yield front


@pytest.fixture
def place(world):
    with folder() as made:
        os.mkdir(f"{made}/a")
        os.symlink(world.www(), f"{made}/a/www")
        yield made


# ---- Clients ----------------------------------------------------------------------------------------------


def plain(port, address):
    return socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(address, 0))


def context(server, *protocols):
    made = ssl.create_default_context(cafile=server.certificate)
    if protocols:
        made.set_alpn_protocols(list(protocols))
    return made


def secure(server, address, *protocols, trust=None, session=None):
    """A TLS connection; it is read and written as it stands."""
    return (trust or context(server, *protocols)).wrap_socket(
        plain(server.port, address), server_hostname="localhost", session=session)


def quiet(server, address):
    """A TLS connection on which nothing comes unasked, as TLS 1.3's tickets do: what can be read is an answer, or the end."""
    trust = context(server)
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    return secure(server, address, trust=trust)


def ask(server, address, target="/salud", headers=None, method="GET", checked=True):
    """One request over HTTP/1.1, on a connection of its own."""
    connection = HTTPSConnection("127.0.0.1", server.port, context=context(server), timeout=20, source_address=(address, 0))
    try:
        connection.request(method, target, headers=headers or {})
        answer = connection.getresponse()
        made = Answer(answer.status, [(name.lower(), value) for name, value in answer.getheaders()], answer.read(),
                      target.encode())
    finally:
        connection.close()
    if checked and not target.startswith(("/estilo", "/icono", "/favicon")):
        check_every_answer(made)
    return made


def ask_2(server, address, target="/salud", headers=None, method="GET", checked=True):
    """The same over HTTP/2."""
    transport = httpx.HTTPTransport(http2=True, verify=context(server), local_address=address)
    with httpx.Client(transport=transport, timeout=20) as client:
        answer = client.request(method, f"https://127.0.0.1:{server.port}{target}",
                                headers={"Accept-Encoding": "identity", "Accept": "*/*", **(headers or {})})
        assert answer.http_version == "HTTP/2"
        made = Answer(answer.status_code, [(name.lower(), value) for name, value in answer.headers.multi_items()],
                      answer.content, target.encode())
    if checked:
        check_every_answer(made)
    return made


VERSIONS = pytest.mark.parametrize("asks", [ask, ask_2], ids=["HTTP/1.1", "HTTP/2"])


def everything(connection):
    """What comes until the other side has closed."""
    got = b""
    with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
        while piece := connection.recv(1 << 16):
            got += piece
    return got


def answer_on(connection, target):
    """One answer, without waiting for the connection's end."""
    response = HTTPResponse(connection)
    response.begin()
    return Answer(response.status, [(name.lower(), value) for name, value in response.getheaders()], response.read(), target)


def send(connection, *lines):
    connection.sendall(b"\r\n".join(line.encode("latin-1") for line in lines) + b"\r\n\r\n")


# ---- A responder of the test's own ------------------------------------------------------------------------


class Responder:
    """What answers nginx by FastCGI at a pace that the test sets: `answers(write)` is called for each request."""

    def __init__(self, place, answers):
        self.socket, self.answers, self.failures = f"{place}/responder.sock", answers, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket)
        os.chmod(self.socket, 0o666)
        self.listener.listen(64)
        self.ended = threading.Event()
        threading.Thread(target=self._accept, name="responder", daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection, connection.makefile("rb") as reader:
            kind = None
            while kind != 5:  # STDIN: nginx sends an empty one last.
                kind, length, padding = struct.unpack("!xBxxHBx", reader.read(8))
                reader.read(length + padding)

            def write(data):
                for at in range(0, len(data), 32_768):
                    piece = data[at:at + 32_768]
                    connection.sendall(struct.pack("!BBHHBB", 1, 6, 1, len(piece), 0, 0) + piece)

            try:
                self.answers(write)
                connection.sendall(struct.pack("!BBHHBB", 1, 3, 1, 8, 0, 0) + bytes(8))
            except OSError as failure:
                self.failures.append(failure)
        self.ended.set()


def stream(kind="application/x-ndjson"):
    """The headers of an answer that nginx is to pass on as it comes."""
    return (f"Status: 200\r\nContent-Type: {kind}; charset=utf-8\r\nX-Accel-Buffering: no\r\n"
            "Vary: Accept, Accept-Encoding, Accept-Language\r\n\r\n").encode()


# ---- How often --------------------------------------------------------------------------------------------


def pipelined(server, address, count, target="/salud", *lines):
    """{status: how many} of so many requests at once on one connection."""
    with secure(server, address) as connection:
        request = "\r\n".join([f"GET {target} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()
        last = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        connection.sendall(request * (count - 1) + last)
        got = everything(connection)
    statuses = re.findall(rb"(?:^|\n|\})HTTP/1.1 (\d{3}) ", got)
    assert len(statuses) == count, (len(statuses), got[-500:])
    return {status: statuses.count(status.encode()) for status in {found.decode() for found in statuses}}


def test_what_a_person_asks_for_is_never_too_much(world, address):
    assert pipelined(world, address, 400) == {"200": 400}


def test_more_than_the_rate_is_refused(world, address):
    begun = time.monotonic()
    found = pipelined(world, address, 2_000)
    took = time.monotonic() - begun
    # The first, the burst, and what the rate has let through meanwhile.
    assert found.keys() == {"200", "429"} and 401 <= found["200"] <= 402 + 100 * took, (found, took)


def test_each_address_has_a_rate_of_its_own(strict, address):
    assert pipelined(strict, address, 5) == {"200": 2, "429": 3}
    assert ask(strict, new_address()).status == 200
    assert ask(strict, address).status == 429


def test_this_machine_is_exempt(strict):
    assert pipelined(strict, "127.0.0.1", 200) == {"200": 200}


@VERSIONS
@pytest.mark.parametrize("language", ["es", "en"])
def test_who_is_refused_is_told_in_the_contracts_form(strict, address, asks, language):
    pipelined(strict, address, 2)
    problem = check_problem(asks(strict, address, headers={"Accept-Language": language}), 429, "demasiadas_solicitudes")
    assert problem["title"] == TITLES[language]
    for method in ("GET", "HEAD", "POST"):
        answer = asks(strict, address, "/listar_archivos", {"Accept": BROWSER, "Accept-Language": language}, method)
        assert answer.status == 429 and answer.one("Retry-After") == "1"
        assert answer.one("Content-Language") == language
        if method != "HEAD":
            page = answer.html()
            assert f"<h1>{TITLES[language]}</h1>" in page and "429" in page and "nginx" not in page


def test_static_files_are_not_counted_but_tries_of_a_password_are(strict, address):
    for target in ("/estilo.css", "/icono.svg", "/favicon.ico"):
        assert pipelined(strict, address, 20, target) == {"200": 20}
        guesser = new_address()
        found = pipelined(strict, guesser, 5, target, "Authorization: Basic YTpi")
        assert found == {"200": 3, "429": 2}, target  # The last is sent without one.


def test_of_an_ipv6_address_the_network_counts(strict):
    def status(address):
        return ask(strict, "127.9.0.1", headers={"X-Address": address}).status

    assert [status(f"2001:db8:0:1::{host}") for host in (1, 2, 3)] == [200, 200, 429]
    assert status("2001:db8:0:1:ffff:ffff:ffff:ffff") == 429
    assert status("2001:db8:0:2::1") == 200
    assert status("192.0.2.1") == 200 and status("192.0.2.2") == 200
    assert [status("::1") for _ in range(5)] == [200] * 5


def test_who_is_refused_is_in_the_access_log_and_does_not_fill_the_error_log(strict, address):
    pipelined(strict, address, 50)
    with open(f"{strict.place}/nginx/access.log", encoding="utf-8") as file:
        until(lambda: sum('" 429 ' in line for line in file if line.startswith(address)) or file.seek(0), "the log's lines")
    assert "limiting" not in strict.nginx.said()


def test_whom_the_operator_exempts(world, place, address):
    exempt = f"{place}/exempt.conf"

    def write(text):
        with open(exempt, "w", encoding="utf-8") as file:
            file.write(text)

    write("127.8.0.0/16 1;\n127.8.7.0/24 0;\n127.0.0.1 0;\n")
    with Front(place, "exempting", f"{world.runtime}/gateway.sock", "RATE=1r/m", "BURST=1", f"EXEMPT={exempt}") as front:
        assert pipelined(front, "127.8.0.7", 20) == {"200": 20}
        assert pipelined(front, "127.8.7.1", 3) == {"200": 2, "429": 1}
        assert pipelined(front, "127.0.0.1", 3) == {"200": 2, "429": 1}
        assert pipelined(front, address, 3) == {"200": 2, "429": 1}
        write(f"{address} 1;\n")
        front.nginx.send(signal.SIGHUP)
        until(lambda: ask(front, address).status == 200, "the reload")
        assert pipelined(front, "127.0.0.1", 20) == {"200": 20}


@pytest.mark.parametrize("word", ["RATE=0r/s", "RATE=100", "RATE=1r/h", "RATE=r/s", "BURST=0", "BURST=-1", "BURST=", "AT_A_TIME=0",
                                  "AT_A_TIME=x", "AT_A_TIME=12345678", "EXEMPT=exempt.conf", "EXEMPT=/a\nb"])
def test_settings_that_are_none_are_refused(word):
    done = subprocess.run([str(REPOSITORY / "nginx" / "render"), "PREFIX=/", "CERTIFICATE=/c", "KEY=/k", "GATEWAY_SOCKET=/s", word],
                          capture_output=True, text=True)
    assert done.returncode == 64 and word.partition("=")[0] in done.stderr and not done.stdout, done.stderr


# ---- How many at a time -----------------------------------------------------------------------------------


@pytest.fixture
def frozen(world):
    """Its gateway takes requests and does not answer them, until the test's end at the latest."""
    world.gateway.freeze()
    yield world
    world.gateway.thaw()
    world.wait("gateway", "nginx")


def test_32_requests_of_an_address_may_be_under_way(frozen, address):
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(quiet(frozen, address)) for _ in range(40)]
        for connection in connections:
            send(connection, "GET /salud HTTP/1.1", "Host: localhost", "Connection: close")
        refused = until(lambda: (ready := select.select(connections, [], [], 0)[0]) and len(ready) >= 8 and ready, "8 answers")
        assert len(refused) == 8
        for connection in refused:
            got = everything(connection)
            assert got.startswith(b"HTTP/1.1 429 ") and b"demasiadas_solicitudes" in got and b"\r\nRetry-After: 1\r\n" in got
        frozen.gateway.thaw()
        for connection in set(connections) - set(refused):
            assert everything(connection).startswith(b"HTTP/1.1 200 ")
    assert ask(frozen, address).status == 200


def test_the_limit_is_each_addresss_own_and_not_this_machines(frozen, address):
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(secure(frozen, where)) for where in ("127.0.0.1", address) for _ in range(20)]
        connections += [stack.enter_context(secure(frozen, "127.0.0.1")) for _ in range(20)]
        for connection in connections:
            send(connection, "GET /salud HTTP/1.1", "Host: localhost", "Connection: close")
        frozen.gateway.thaw()
        assert all(everything(connection).startswith(b"HTTP/1.1 200 ") for connection in connections)


class Two:
    """A connection over HTTP/2 that opens as many streams as the test likes."""

    def __init__(self, server, address):
        self.socket = secure(server, address, "h2")
        assert self.socket.selected_alpn_protocol() == "h2"
        # Validation off: it would keep us from what a rude client does.
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(validate_outbound_headers=False))
        self.state.initiate_connection()
        self.statuses, self.ends, self.settled = {}, {}, False
        self._send()

    def _send(self):
        self.socket.sendall(self.state.data_to_send())

    def get(self, target, rudely=False):
        if rudely:  # More than the server has said it takes.
            self.state.remote_settings.acknowledge()
            self.state.remote_settings._settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS][0] = 1_000
        number = self.state.get_next_available_stream_id()
        self.state.send_headers(number, [(":method", "GET"), (":path", target), (":scheme", "https"), (":authority", "localhost")],
                                end_stream=True)
        self._send()
        return number

    def read_until(self, condition, what):
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            for event in self.state.receive_data(self.socket.recv(1 << 16)):
                if isinstance(event, h2.events.RemoteSettingsChanged):
                    self.settled = True
                elif isinstance(event, h2.events.ResponseReceived):
                    self.statuses[event.stream_id] = {key.decode(): value.decode() for key, value in event.headers}
                elif isinstance(event, h2.events.DataReceived):
                    self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    self.ends[event.stream_id] = None
                elif isinstance(event, h2.events.StreamReset):
                    self.ends[event.stream_id] = event.error_code
            self._send()

    def __enter__(self):
        self.read_until(lambda: self.settled, "the server's settings")
        return self

    def __exit__(self, *_):
        self.socket.close()


def test_32_streams_of_http_2_may_be_open(frozen, address):
    with Two(frozen, address) as one, Two(frozen, address) as other:
        assert one.state.remote_settings.max_concurrent_streams == 32
        streams = [one.get("/salud") for _ in range(32)]
        # Who opens more all the same is told so; the connection and what is under way go on.
        more = one.get("/salud", rudely=True)
        one.read_until(lambda: more in one.ends, "the stream that is too many")
        assert one.ends == {more: h2.errors.ErrorCodes.REFUSED_STREAM}
        # On another connection, of the same address, it is a 429.
        refused = other.get("/salud")
        other.read_until(lambda: refused in other.ends, "the request that is too many")
        assert other.statuses[refused][":status"] == "429" and other.statuses[refused]["retry-after"] == "1"
        frozen.gateway.thaw()
        one.read_until(lambda: set(streams) <= set(one.ends), "the answers")
        assert {one.statuses[stream][":status"] for stream in streams} == {"200"}


# ---- What nginx refuses itself ----------------------------------------------------------------------------

# Beside what test_contract.py has: where nobody answers nginx, and what it can't read.


def test_a_gateway_that_is_away_is_a_503(place, address):
    with Front(place, "alone", f"{place}/nobody.sock") as front:
        for asks in (ask, ask_2):
            answer = asks(front, address, "/listar_archivos")
            check_problem(answer, 503, "servicio_ausente")
            assert answer.one("Retry-After") == "1"
            page = asks(front, address, "/", {"Accept": BROWSER, "Accept-Language": "en"})
            assert page.status == 503 and "Service absent" in page.html() and "nginx" not in page.html()


def access_lines(server, address):
    with open(f"{server.place}/nginx/access.log", encoding="utf-8") as file:
        return [line for line in file if line.startswith(address + " ")]


def test_a_gateway_that_is_away_fills_no_log(place, address):
    """nginx tries each of the 512 lines of its upstream: none of that is a line, and of the times there is one."""
    with Front(place, "lonely", f"{place}/nobody.sock") as front:
        before = front.nginx.said()
        for _ in range(3):
            assert ask(front, address).status == 503
        lines = until(lambda: len(found := access_lines(front, address)) == 3 and found, "the log's lines")
        assert front.nginx.said() == before
        assert all(re.search(r" upstream=[0-9.]+ agent=", line) and len(line) < 300 for line in lines), lines


def test_of_what_a_client_sends_the_log_keeps_the_beginning(strict, address):
    long = "/salud?" + "a" * 5_000
    assert ask(strict, address, long, {"User-Agent": "b" * 3_000}).status == 400
    line, = until(lambda: access_lines(strict, address), "the log's line")
    assert f'"GET {long[:996]}..."' in line and f'agent="{"b" * 200}..."' in line and len(line) < 1_600, line


@pytest.mark.parametrize("accept", ["application/json", BROWSER])
@pytest.mark.parametrize("line", ["Host: a/b", "Host: a\r\nHost: b", "Content-Length: x", "Transfer-Encoding: chunked\r\nContent-Length: 3"])
def test_what_cant_be_read_is_a_400(world, address, line, accept):
    with secure(world, address) as connection:
        host = [] if "Host" in line else ["Host: localhost"]
        send(connection, "GET / HTTP/1.1", f"Accept: {accept}", *host, line)
        answer = answer_on(connection, line)
    check_every_answer(answer)
    if accept == BROWSER:
        assert answer.status == 400 and "peticion_invalida" in answer.html() and "nginx" not in answer.html()
    else:
        check_problem(answer, 400, "peticion_invalida")
    assert "Accept-Encoding" in answer.one("Vary")


@pytest.mark.parametrize("target, header, status, codigo", [
    ("/listar_archivos?ruta=" + "a" * 20_000, "", 414, "uri_demasiado_larga"),
    ("/listar_archivos", "a" * 20_000, 431, "cabeceras_demasiado_grandes")])
def test_what_is_too_long_over_http_2(world, address, target, header, status, codigo):
    for accept in ("*/*", BROWSER):
        answer = ask_2(world, address, target, {"User-Agent": header, "Accept": accept})
        if accept == BROWSER:
            assert answer.status == status and codigo in answer.html()
        else:
            check_problem(answer, status, codigo)


def test_what_is_refused_costs_none_of_the_rate_that_is_left(strict, address):
    for _ in range(5):
        assert ask(strict, address, "/" + "a" * 20_000).status == 414
    assert ask(strict, address).status == 200


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("target", ["/estilo.css", "/icono.svg", "/favicon.ico", "/salud", "/", "/listar_archivos?limite=0",
                                    "/" + "a" * 20_000])
def test_caches_are_told_once_what_an_answer_varies_with(world, address, target, coding):
    vary = ask(world, address, target, {"Accept-Encoding": coding}).one("Vary").split(", ")
    assert "Accept-Encoding" in vary and len(vary) == len(set(vary))


# ---- Plain HTTP on the same port --------------------------------------------------------------------------


@pytest.mark.parametrize("asked, host, location", [
    ("/listar_archivos?ruta=/a%20b&limite=5", "files.example.org:5000", "https://files.example.org:5000/listar_archivos?ruta=/a%20b&limite=5"),
    ("/", "localhost", "https://localhost/"),
    ("/", "[2001:db8::1]:5000", "https://[2001:db8::1]:5000/"),
    ("//other.example/%0d%0aX:y", "localhost:5000", "https://localhost:5000//other.example/%0d%0aX:y"),
    # No host, or none that could be one: the address that it came to.
    ("/a?b", None, "https://OWN/a?b"),
    ("/a?b", '"><script>', "https://OWN/a?b"),
    ("/a?b", "user@files.example.org", "https://OWN/a?b"),
    ("/a?b", "a:b:c", "https://OWN/a?b"),
])
def test_plain_http_is_sent_to_https(world, address, asked, host, location):
    for method in ("GET", "POST"):
        with plain(world.port, address) as connection:
            version = "HTTP/1.0" if host is None else "HTTP/1.1"
            send(connection, f"{method} {asked} {version}", *([] if host is None else [f"Host: {host}"]), "Connection: close")
            got = everything(connection)
        head = got.partition(b"\r\n\r\n")[0].decode()
        assert head.startswith("HTTP/1.1 308 "), got
        assert re.findall("(?i)\nlocation: (.*)\r", head) == [location.replace("OWN", f"127.0.0.1:{world.port}")]


# ---- Times ------------------------------------------------------------------------------------------------

@pytest.fixture
def hasty(place):
    """Makes an nginx in front of a responder, with some times short."""
    with contextlib.ExitStack() as stack:

        def made(answers, *directives, words=()):
            responder = stack.enter_context(Responder(place, answers))
            front = stack.enter_context(Front(place, "hasty", responder.socket, *words, times=directives))
            return front, responder

        yield made


def answers_at_once(write):
    write(stream() + b"{}\n")


def ends_in_time(connection, begun):
    """What came until the connection's end, which comes after the short time."""
    got = everything(connection)
    took = time.monotonic() - begun
    assert SECONDS * 0.9 <= took < SECONDS + 15, took
    return got


def test_who_says_nothing_is_let_go(hasty, address):
    front, _ = hasty(answers_at_once, "client_header_timeout 15s")
    begun = time.monotonic()
    with plain(front.port, address) as silent, secure(front, address) as shaken:
        assert ends_in_time(silent, begun) == b"" and ends_in_time(shaken, begun) == b""


def test_connections_that_are_not_used_keep_nobody_out(world, place, address):
    with Front(place, "small", f"{world.runtime}/gateway.sock", others={"worker_connections 4096": "worker_connections 32"}) as front, \
            contextlib.ExitStack() as stack:
        for _ in range(150):
            idle = stack.enter_context(secure(front, address))
            send(idle, "GET /salud HTTP/1.1", "Host: localhost")
            assert answer_on(idle, b"/salud").status == 200
        for _ in range(10):
            assert ask(front, new_address()).status == 200


def test_headers_have_to_be_there_in_time_as_a_whole(hasty, address):
    front, _ = hasty(answers_at_once, "client_header_timeout 15s")
    begun = time.monotonic()
    with quiet(front, address) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(b"GET / HTTP/1.1\r\nX: ")
            # Faster than the limit, byte by byte: it is the whole that counts.
            while not select.select([connection], [], [], SECONDS / 10)[0]:
                connection.sendall(b"a")
                assert time.monotonic() - begun < 20, "still taken"
        assert ends_in_time(connection, begun) == b""


def test_a_body_that_does_not_come(hasty, address):
    front, _ = hasty(answers_at_once, "client_body_timeout 15s")
    begun = time.monotonic()
    with secure(front, address) as connection:
        send(connection, "POST / HTTP/1.1", "Host: localhost", "Content-Length: 100")
        assert ends_in_time(connection, begun) == b""


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
def test_a_connection_that_is_not_used(hasty, address, protocol):
    front, _ = hasty(answers_at_once, "keepalive_timeout 65s")
    begun = time.monotonic()
    if protocol == "h2":
        with Two(front, address) as connection:
            stream = connection.get("/")
            connection.read_until(lambda: stream in connection.ends, "the answer")
            assert connection.statuses[stream][":status"] == "200"
            ends_in_time(connection.socket, begun)
    else:
        with secure(front, address, protocol) as connection:
            send(connection, "GET / HTTP/1.1", "Host: localhost")
            assert answer_on(connection, b"/").body == b"{}\n"
            assert ends_in_time(connection, begun) == b""


def test_a_gateway_that_does_not_answer_in_time_is_a_504(hasty, address):
    done = threading.Event()
    front, _ = hasty(lambda write: done.wait(60), words=(f"READ_TIMEOUT={SHORT}",))
    try:
        check_problem(ask(front, address), 504, "plazo_vencido")
        page = ask_2(front, address, "/", {"Accept": BROWSER})
        assert page.status == 504 and "Plazo vencido" in page.html()
    finally:
        done.set()


# ---- Streams ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["application/x-ndjson", "text/plain"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
def test_each_part_of_a_stream_comes_when_it_is_written(hasty, address, kind, coding, version):
    """The next line is only written when the one before has arrived, so none is kept back."""
    seen = threading.Semaphore(0)

    def answers(write):
        write(stream(kind))
        for number in range(3):
            write(b'{"n":%d}\n' % number)
            assert seen.acquire(timeout=20), f"line {number} has not arrived"

    front, responder = hasty(answers)
    transport = httpx.HTTPTransport(http2=version == "HTTP/2", verify=context(front), local_address=address)
    with httpx.Client(transport=transport, timeout=20) as client, \
            client.stream("GET", f"https://127.0.0.1:{front.port}/x", headers={"Accept-Encoding": coding}) as answer:
        assert answer.http_version == version
        assert answer.headers.get("content-encoding", "identity") == coding
        assert answer.headers["vary"] == "Accept, Accept-Encoding, Accept-Language"
        assert "x-accel-buffering" not in answer.headers
        unpacked, told, got = zlib.decompressobj(31), 0, b""
        for piece in answer.iter_raw():
            got += unpacked.decompress(piece) if coding == "gzip" else piece
            while got.count(b"\n") > told:
                seen.release()
                told += 1
    assert got == b'{"n":0}\n{"n":1}\n{"n":2}\n' and not responder.failures


def test_a_stream_may_take_longer_than_any_time(hasty, address):
    """Longer than each of nginx's times, which count from one part to the next."""
    begun, pace = time.monotonic(), threading.Event()

    def answers(write):
        write(stream())
        while time.monotonic() - begun < 2 * SECONDS:
            write(b"{}\n")
            pace.wait(SECONDS / 10)
        write(b"fin\n")

    front, _ = hasty(answers, "keepalive_timeout 65s", "client_header_timeout 15s", "client_body_timeout 15s", "send_timeout 10m",
                     words=(f"READ_TIMEOUT={SHORT}",))
    for asks in (ask, ask_2):
        begun = time.monotonic()
        assert asks(front, address, checked=False).body.endswith(b"{}\nfin\n")
        assert time.monotonic() - begun >= 2 * SECONDS


MANY = b'{"nombre":"' + b"x" * 1000 + b'"}\n'


def test_a_slow_reader_that_moves_is_not_ended(hasty, address):
    """nginx waits for the reader, not for the gateway: neither time is over while something moves."""
    count = 32_000

    def answers(write):
        write(stream())
        for _ in range(count // 32):
            write(MANY * 32)

    front, responder = hasty(answers, "send_timeout 10m", words=(f"READ_TIMEOUT={SHORT}",))
    with secure(front, address) as connection:
        send(connection, "GET / HTTP/1.1", "Host: localhost", "Connection: close")
        begun, got, pace = time.monotonic(), 0, threading.Event()
        while piece := connection.recv(1 << 16):
            got += len(piece)
            # Some 8 MB a second: the kernel's buffers of a loopback connection hold megabytes.
            pace.wait(max(0, begun + got / 8e6 - time.monotonic()))
        took = time.monotonic() - begun
    assert got > count * len(MANY) and took > 3 * SECONDS and not responder.failures, (got, took)


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
def test_a_reader_that_has_stopped_holds_nothing_for_ever(hasty, address, protocol):
    def answers(write):
        write(stream())
        while True:
            write(MANY * 32)

    front, responder = hasty(answers, "send_timeout 10m")
    if protocol == "h2":
        with Two(front, address) as connection:
            connection.get("/")
            assert responder.ended.wait(20), "the gateway is still held"
    else:
        with secure(front, address) as connection:
            send(connection, "GET / HTTP/1.1", "Host: localhost")
            assert responder.ended.wait(20), "the gateway is still held"
            assert not everything(connection).endswith(b"0\r\n\r\n"), "what is cut off does not end as what is whole"
    assert responder.failures


# ---- TLS --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_sessions_are_taken_up_again(world, address, version):
    trust = context(world)
    trust.minimum_version = trust.maximum_version = version
    session = None
    for turn in range(8):  # By either worker.
        with secure(world, address, trust=trust, session=session) as connection:
            assert connection.session_reused == (turn > 0)
            send(connection, "GET /salud HTTP/1.1", "Host: localhost", "Connection: close")
            assert everything(connection).startswith(b"HTTP/1.1 200 ")
            # TLS 1.3 gives it behind the handshake, and each serves once.
            session = connection.session
            # Kept in nginx, not handed out under a key that would live as long as nginx does.
            assert version is ssl.TLSVersion.TLSv1_3 or not session.has_ticket
