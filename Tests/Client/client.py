"""A plain HTTPS client: the target goes out byte for byte, every answer is held to the contract.

`Client.ask` sends one request over a kept connection and checks what the contract demands of *every*
answer (`check_every_answer`), so each test of any kind proves that, too.
"""

import http.client
import json
import re
import socket
import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes, urlsplit

import oracle

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list = field(repr=False)  # (name in lower case, value) in the order received.
    body: bytes
    target: bytes = b""

    def all(self, name):
        return [value for key, value in self.headers if key == name.lower()]

    def one(self, name):
        """The value of a header that must be there once."""
        values = self.all(name)
        assert len(values) == 1, f"{name}: {values} in the answer to {self.target!r}"
        return values[0]

    def maybe(self, name):
        return self.one(name) if self.all(name) else None

    @property
    def kind(self):
        """The media type, without its parameters."""
        return self.one("Content-Type").split(";")[0].strip()

    def json(self):
        """The body, which must be strict JSON: UTF-8, no key twice, no null, no NaN."""
        assert self.kind in ("application/json", "application/problem+json"), self.headers
        return strict_json(self.body)

    def html(self):
        assert self.kind == "text/html", self.headers
        assert re.search(r"charset=utf-8", self.one("Content-Type"), re.I), self.headers
        return self.body.decode("utf-8")

    @property
    def next(self):
        """The target of `Link: <…>; rel="next"`, or None."""
        link = self.maybe("Link")
        if link is None:
            return None
        match = re.fullmatch(r'<(/[\x21-\x7e]*)>; rel="next"', link)
        assert match, link
        return match[1].encode()


def strict_json(raw):
    return json.loads(raw.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse)


def _object(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key twice: {keys}"
    for key, value in pairs:
        assert value is not None, f"{key} is null"
    return dict(pairs)


def _refuse(text):
    raise AssertionError(f"{text} in JSON")


def target(path, **parameters):
    """`path?name=value&…`, each value percent-encoded; a value may be bytes."""
    pairs = []
    for name, value in parameters.items():
        raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
        pairs.append(f"{name}={oracle.encoded(raw)}")
    return (path + ("?" + "&".join(pairs) if pairs else "")).encode()


def parameters(asked):
    """[(name, value)] in bytes of a target's query, decoded once."""
    query = asked.partition(b"?")[2]
    return [tuple(unquote_to_bytes(part.replace(b"+", b" ")) for part in pair.partition(b"=")[::2])
            for pair in query.split(b"&") if pair]


@dataclass
class Row:
    """A row of a contract: what is asked, and what it is answered with."""

    sentence: str
    target: object
    status: int = 200
    codigo: object = None
    parametro: str = None
    columna: int = None
    method: str = "GET"
    headers: dict = field(default_factory=dict)
    also: object = None  # A check of the answer.


class Client:
    """One kept connection; not for two threads at once."""

    def __init__(self, url, authority):
        parts = urlsplit(url)
        self.url, self.host, self.port = url.rstrip("/"), parts.hostname, parts.port or 443
        self.context = ssl.create_default_context(cafile=authority)
        self.socket = None

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None

    def another(self):
        """A client of its own connection, for another thread."""
        made = object.__new__(Client)
        made.__dict__.update(self.__dict__, socket=None)
        return made

    def ask(self, asked, headers=None, method="GET", body=b"", checked=True):
        """The answer to `method` on `asked` (bytes or text, sent as it is)."""
        asked = asked.encode("ascii") if isinstance(asked, str) else asked
        lines = [method.encode() + b" " + asked + b" HTTP/1.1", f"Host: {self.host}:{self.port}"]
        pairs = headers.items() if isinstance(headers, dict) else headers or []
        lines += [f"{name}: {value}" for name, value in pairs]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        raw = b"\r\n".join(line if isinstance(line, bytes) else line.encode("latin-1")
                           for line in lines) + b"\r\n\r\n" + body
        answer = self._exchange(raw, method, asked)
        if checked:
            check_every_answer(answer)
        return answer

    def get(self, path, headers=None, **given):
        return self.ask(target(path, **given), headers)

    def _exchange(self, raw, method, asked):
        kept = self.socket is not None
        try:
            if not kept:
                plain = socket.create_connection((self.host, self.port), timeout=30)
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.socket = self.context.wrap_socket(plain, server_hostname=self.host)
            self.socket.sendall(raw)
            response = http.client.HTTPResponse(self.socket, method=method)
            response.begin()
            body = response.read()
        except (ConnectionError, http.client.RemoteDisconnected, ssl.SSLEOFError):
            self.close()
            if not kept:
                raise
            return self._exchange(raw, method, asked)  # A kept connection may be closed any time.
        except BaseException:
            self.close()
            raise
        headers = [(name.lower(), value) for name, value in response.headers.items()]
        if response.will_close:
            self.close()
        return Answer(response.status, headers, body, asked)

    def pages(self, asked, headers=None):
        """All pages from `asked` on, by the Link header; the cursors must say the same."""
        while asked:
            answer = self.ask(asked, headers)
            assert answer.status == 200, (answer.status, asked, answer.body[:500])
            document = answer.json()
            given = None if answer.next is None else dict(parameters(answer.next))[b"cursor"]
            assert document.get("cursor") == (given and given.decode()), (asked, answer.headers)
            yield answer, document
            asked = answer.next


def check_every_answer(answer):
    """Headers on every answer, each once."""
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", answer.one("X-Request-Id")), answer.headers
    assert answer.one("Cache-Control") == "private, no-cache", answer.headers
    assert answer.one("X-Content-Type-Options") == "nosniff", answer.headers
    policy = answer.one("Content-Security-Policy")
    assert "default-src 'none'" in policy or "default-src 'self'" in policy, policy
    assert not re.search(r"unsafe|\*|https?:|data:", policy), policy
    server = answer.maybe("Server")
    assert server is None or not re.search(r"\d", server), server
    assert not answer.all("X-Powered-By") and not answer.all("Status"), answer.headers
    assert not answer.all("Strict-Transport-Security"), "HSTS with a made certificate"
    vary = [token.strip().lower() for line in answer.all("Vary") for token in line.split(",")]
    assert len(vary) == len(set(vary)), f"Vary names something twice: {vary}"
    for name in ("Content-Type", "Content-Length", "ETag", "Content-Language", "Date", "Allow",
                 "Content-Encoding", "Location", "Retry-After", "Link"):
        assert len(answer.all(name)) <= 1, (name, answer.headers)
    if answer.body and answer.status != 304:
        answer.one("Content-Type")


def check_problem(answer, status, codigo, parametro=None, columna=None):
    """An RFC 9457 problem as the contract has it; `codigo` may be a set of which one must be it."""
    assert answer.status == status, (answer.status, answer.target, answer.body[:500])
    assert answer.kind == "application/problem+json", answer.headers
    problem = answer.json()
    assert problem["codigo"] in ({codigo} if isinstance(codigo, str) else codigo), problem
    assert problem["status"] == status, problem
    assert problem["type"] == "/problemas/" + problem["codigo"], problem
    for key in ("title", "detail"):
        assert isinstance(problem[key], str) and problem[key].strip(), problem
    assert re.fullmatch("urn:uuid:" + UUID, problem["instance"]), problem
    identity = answer.one("X-Request-Id")
    if re.fullmatch(UUID, identity):
        assert problem["instance"] == "urn:uuid:" + identity, problem
    assert problem.get("parametro") == parametro, (parametro, problem)
    assert problem.get("columna") == columna, (columna, problem)
    assert set(problem) <= {"type", "title", "status", "detail", "instance", "codigo", "parametro",
                            "columna"}, problem
    return problem


def check_list(document, expected=None, *, ruta=None, search=False):
    """The form of a page; with `expected` (an oracle's answer) its notices as well."""
    keys = {"ruta", "entradas", "completo", "avisos"} | ({"indice"} if search else set())
    assert keys <= set(document) <= keys | {"total", "cursor", "ruta_codificada"}, document.keys()
    if search:
        assert document["indice"] == {"al_dia": True}, document["indice"]
    if ruta is not None:
        assert document["ruta"] == oracle.shown(ruta), document["ruta"]
        assert document.get("ruta_codificada") == (
            None if oracle.is_text(ruta) else oracle.encoded(ruta)), document
    for entry in document["entradas"]:
        assert isinstance(entry.get("tamano", 0), int), entry
    if expected is not None:
        told = set()
        for notice in document["avisos"]:
            assert set(notice) <= {"codigo", "detalle", "ruta", "ruta_codificada"}, notice
            assert notice["codigo"] and notice["detalle"].strip(), notice
            path = notice.get("ruta", "")
            if not any(path == vague or path.startswith(vague + "/") for vague in expected.vague):
                told.add((notice["codigo"], path))
        assert told == expected.notices, (told, expected.notices)
        assert document["completo"] is expected.complete, document["avisos"]
        assert document["completo"] == (not document["avisos"]), document["avisos"]
