"""Streamed answers from outside: a line an entry, as ndjson or as text, and a last line that says how it ended.

Each row's or test's name is the sentence of the contract that it proves. The Pasarelas are these tests' own: `odd` serves
the tree of odd_tree; `large` and `narrow` (small bounds, short times) serve a folder of 200,000 entries.
"""

import contextlib
import gzip
import json
import os
import re
import shutil
import signal
import socket
import ssl
import statistics
import tempfile
import time
from concurrent import futures
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import h2.connection
import h2.errors
import h2.events
import httpx
import pytest

import fastcgi_client
import odd_tree
import oracle
from client import Row, check_list, check_problem, parameters, strict_json, target
from stack import Stack, beside, until
from stack import folder as own_folder
from streams import SLOW, Reader, counted, cpu, ended_call, has_end, identity, pss, reading
from test_oracle import KINDS, ORDERS, folders

L, S = "/listar_archivos", "/buscar_archivos"
C = L + "?ruta=/contrato"
JSON, HTML, NDJSON, TEXT = "application/json", "text/html", "application/x-ndjson", "text/plain"
FORMS = {"ndjson": NDJSON, "texto": TEXT}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
ASYNC = {"Prefer": "respond-async"}
UNKNOWN = "/solicitudes/" + "0123456789abcdef" * 2
ENTRIES = 200_000
LARGE = L + "?ruta=/grande"
# How many times longer a busy machine may take than is promised.
NOISE = 4


# What an answer says

@dataclass
class Told:
    """The lines of a body: its entries (objects; of text: paths as bytes) and what its end says."""

    entries: list
    total: int
    complete: bool
    notices: list
    cursor: str


def unescaped(line):
    assert re.fullmatch(rb"/(?:[^\\\r]|\\[\\nr])+", line, re.S), line
    return re.sub(rb"\\(.)", lambda found: {b"n": b"\n", b"r": b"\r"}.get(found[1], b"\\"), line)


TEXT_END = re.compile(rb"# fin (0|[1-9][0-9]*)( incompleto)?(?: cursor=([\x21-\x7e]+))?")


def told(body, form):
    """A body in either form: strict, whole, counted."""
    lines = body.split(b"\n")
    assert lines.pop() == b"", f"no newline at the end: {body[-200:]}"
    last = lines.pop()
    if form == "texto":
        found = TEXT_END.fullmatch(last)
        assert found, last
        said = Told([unescaped(line) for line in lines], int(found[1]), not found[2], None,
                    found[3] and found[3].decode())
    else:
        end = strict_json(last)
        assert list(end)[:3] == ["fin", "total", "completo"] and set(end) <= {
            "fin", "total", "completo", "avisos", "cursor"}, end
        assert end["fin"] is True and type(end["total"]) is int and type(end["completo"]) is bool, end
        assert end["completo"] == ("avisos" not in end), end
        said = Told([strict_json(line) for line in lines], end["total"], end["completo"], end.get("avisos", []),
                    end.get("cursor"))
        assert not [entry for entry in said.entries if "fin" in entry], "an end before the end"
    assert said.total == len(said.entries), (said.total, len(said.entries))
    return said


def form_of(answer):
    found = [form for form, kind in FORMS.items() if kind == answer.kind]
    assert found, answer.headers
    return found[0]


def path_of(entry):
    """The bytes of an entry's path."""
    return unquote_to_bytes(entry["ruta_codificada"]) if "ruta_codificada" in entry else entry["ruta"].encode()


def paths_of(said):
    return [entry if isinstance(entry, bytes) else path_of(entry) for entry in said.entries]


def unordered(entries):
    return sorted(entries, key=lambda e: e if isinstance(e, bytes) else json.dumps(e, sort_keys=True))


def check_forms_headers(answer, method="GET"):
    """What an answer in either form has besides what every answer has, and what it has not."""
    form, page = form_of(answer), b"limite" in dict(parameters(answer.target))
    assert answer.one("Content-Type") == FORMS[form], "names are bytes: no charset is claimed"
    vary = sorted(token.strip().lower() for line in answer.all("Vary") for token in line.split(","))
    assert vary == ["accept", "accept-encoding", "accept-language"], answer.headers
    assert (answer.maybe("Content-Language") is None) == (form == "texto"), answer.headers
    assert not answer.all("X-Accel-Buffering"), "nginx's own"
    if page:
        assert re.fullmatch(r'W/"[\x21\x23-\x7e]+"', answer.one("ETag")), answer.headers
        assert method == "HEAD" or int(answer.one("Content-Length")) == len(answer.body)
    else:
        for name in ("Content-Length", "ETag", "Link", "Last-Modified", "Accept-Ranges"):
            assert not answer.all(name), answer.headers
        assert method == "HEAD" or answer.one("Transfer-Encoding") == "chunked", answer.headers


def check_lines(answer, form, expected, in_order=False):
    """An answer in a form against the oracle's: entries, end, notices."""
    assert answer.status == 200, (answer.status, answer.target, answer.body[:500])
    assert answer.kind == FORMS[form], answer.headers
    check_forms_headers(answer)
    said = told(answer.body, form)
    wanted = expected.entries if form == "ndjson" else [path_of(entry) for entry in expected.entries]
    got, wanted = (said.entries, wanted) if in_order else (unordered(said.entries), unordered(wanted))
    if got != wanted:
        for one, other in zip(got, wanted):
            assert one == other, answer.target
        assert len(got) == len(wanted), answer.target
    assert said.complete is expected.complete, answer.target
    if form == "ndjson":
        check_list({"ruta": "/", "entradas": [], "completo": said.complete, "avisos": said.notices}, expected)
    return said


# The table


def both(sentence, asked, *rest, **more):
    """A row in each form."""
    asked = asked.decode() if isinstance(asked, bytes) else asked
    glue = "&" if "?" in asked else "?"
    return [Row(f"{sentence} [{form}]", f"{asked}{glue}formato={form}", *rest, **more) for form in FORMS]


def bad(sentence, asked, parametro, codigo="valor_invalido", **rest):
    return both(sentence, asked, 400, codigo, parametro, **rest)


def body(expected):
    def check(answer):
        assert answer.body == expected
    return check


def paths(*expected):
    """These entries, in whatever order."""
    def check(answer):
        assert sorted(paths_of(told(answer.body, form_of(answer)))) == sorted(path.encode() for path in expected)
    return check


def in_order(*expected):
    def check(answer):
        assert paths_of(told(answer.body, form_of(answer))) == [path.encode() for path in expected]
    return check


def lines(number):
    def check(answer):
        assert told(answer.body, form_of(answer)).total == number
    return check


def kind(expected):
    def check(answer):
        assert answer.kind == expected, answer.headers
    return check


def negotiated(accept, expected, asked=C):
    if expected == 406:
        return Row(f"Negotiation: {accept}: nothing fits: 406 {asked}", asked, 406, "no_aceptable",
                   headers={"Accept": accept})
    return Row(f"Negotiation: {accept}: {expected} {asked}", asked, headers={"Accept": accept}, also=kind(expected))


CIEN = [*[f"/contrato/cien/f{number}.txt" for number in range(100)], "/contrato/cien/Ñandú 7.txt",
        "/contrato/cien/zz sub"]  # In natural order.

FORM = [
    *[negotiated(accept, NDJSON, asked) for asked in (C, S + "?q=a&ruta=/contrato") for accept in (
        "application/x-ndjson", "APPLICATION/X-NDJSON", "application/x-ndjson, application/json;q=0.1",
        "application/x-ndjson;q=0.2, application/json;q=0.1", "image/png, application/x-ndjson;q=0.001",
        "text/plain, application/x-ndjson", "application/*, application/json;q=0", "application/x-ndjson, */*;q=0.5",
        "*/*, application/json;q=0, text/html;q=0", "application/x-ndjson ; q=0.9 , text/plain;q=0.8")],
    *[negotiated(accept, TEXT, asked) for asked in (C, S + "?q=a&ruta=/contrato") for accept in (
        "text/plain", "Text/Plain", "text/plain, */*;q=0.1", "text/*, text/html;q=0", "text/plain, text/html;q=0.9",
        "text/plain;q=0.5, application/x-ndjson;q=0.4",
        "*/*, application/json;q=0, text/html;q=0, application/x-ndjson;q=0")],
    *[negotiated(accept, JSON) for accept in (
        "application/json, application/x-ndjson, text/plain", "application/x-ndjson, application/json",
        "*/*", "application/*", "text/plain, application/json", "application/x-ndjson;q=0.9, */*",
        "text/plain;q=0, application/x-ndjson;q=0, */*;q=0.1")],
    *[negotiated(accept, HTML) for accept in (
        "text/*", "application/x-ndjson, text/html", "text/plain, text/html", "text/plain;q=0.9, text/*",
        "text/*;q=0.5, application/x-ndjson;q=0.4")],
    *[negotiated(accept, 406) for accept in (
        "application/ndjson", "application/jsonl", "text/csv", "application/x-ndjson;q=0, text/plain;q=0",
        "*/*, application/*;q=0, text/*;q=0", "application/x-ndjson;q=0")],
    *[negotiated(accept, 406, path) for accept in (NDJSON, TEXT, f"{TEXT}, {NDJSON}")
      for path in ("/problemas/no_existe", UNKNOWN)],
    *[Row(f"{path} has a form of its own, whatever is accepted ({accept})", path, headers={"Accept": accept},
          also=kind(expected)) for accept in (NDJSON, TEXT)
      for path, expected in (("/", HTML), ("/salud", JSON), ("/salud/listo", JSON), ("/openapi.json", JSON))],
    *[Row(f"`formato` wins over Accept ({form})", f"{C}&formato={form}", headers={"Accept": accept},
          also=kind(expected)) for form, expected in FORMS.items()
      for accept in (JSON, BROWSER, "image/png", TEXT, NDJSON)],
    *[Row(f"`formato` wins over Accept ({form}, {accept})", f"{C}&formato={form}", headers={"Accept": accept},
          also=kind(expected)) for form, expected in (("json", JSON), ("html", HTML)) for accept in (NDJSON, TEXT)],
    *[Row(f"a bad `formato` is a 400 ({value})", f"{L}?formato={value}", 400, "valor_invalido", "formato")
      for value in ("NDJSON", "text", "txt", "jsonl", "x-ndjson", "Texto", "ndjson,texto", "application/x-ndjson", "csv")],
    *[Row(f"`formato` is no parameter of {path}", f"{path}?formato=ndjson", 400, "parametro_desconocido", "formato")
      for path in ("/salud", "/problemas/no_existe", UNKNOWN, "/openapi.json")],
    Row("`/` takes no parameters", "/?formato=ndjson", 400),
]

LINES = [
    Row("an empty folder: only the end line", C + "/vacia&formato=ndjson",
        also=body(b'{"fin":true,"total":0,"completo":true}\n')),
    Row("an empty folder: only the end line", C + "/vacia&formato=texto", also=body(b"# fin 0\n")),
    Row("a search without a hit: only the end line", S + "?q=zzzz&ruta=/contrato&formato=ndjson",
        also=body(b'{"fin":true,"total":0,"completo":true}\n')),
    Row("a search without a hit: only the end line", S + "?q=zzzz&ruta=/contrato&formato=texto",
        also=body(b"# fin 0\n")),
    Row("an entry a line, the very object of `entradas`", C + "/archivo.txt&formato=ndjson",
        also=body(b'{"nombre":"archivo.txt","ruta":"/contrato/archivo.txt","tipo":"archivo","tamano":5,'
                  b'"modificado":"2025-11-24T10:51:07.125Z"}\n{"fin":true,"total":1,"completo":true}\n')),
    Row("a path a line", C + "/archivo.txt&formato=texto", also=body(b"/contrato/archivo.txt\n# fin 1\n")),
    Row("a path's bytes as they are", C + "/carpeta%FE&formato=texto&orden=natural",
        also=body(b"/contrato/carpeta\xfe/x.txt\n/contrato/carpeta\xfe/sub\xc3\n# fin 2\n")),
    *both("a file's path: that one entry", C + "/archivo.txt", also=paths("/contrato/archivo.txt")),
    *both("a FIFO's path: its entry", C + "/tuberia", also=paths("/contrato/tuberia")),
    *both("a link to a file: its entry under the name asked", C + "/enlace_archivo", also=paths("/contrato/enlace_archivo")),
    *both("the filters judge a file's own entry, too", C + "/archivo.txt&tipo=directorio", also=paths()),
    *both("a link to a folder: listed under the path asked", C + "/enlace_carpeta",
          also=paths("/contrato/enlace_carpeta/b", "/contrato/enlace_carpeta/dentro.txt")),
    *both("`ruta` is normalised", L + "?ruta=contrato//./a/", also=paths("/contrato/a/b", "/contrato/a/dentro.txt")),
    *both("the root's entries have one slash", L + "?ruta=/&tipo=archivo", also=paths("/raiz.txt", "/raíz ñ <&\">.txt")),
    *both("everything unless `limite` is given", C + "/cien", also=paths(*CIEN)),
    *both("a search: everything", S + "?ruta=/contrato/cien&q=f", also=paths(*CIEN[:100])),
    *both("a search beneath a link: under the path asked", S + "?ruta=/contrato/enlace_carpeta&q=c.txt",
          also=paths("/contrato/enlace_carpeta/b/c.txt")),
    *both("a search without `q`, with a filter", S + "?ruta=/contrato&tipo=otro", also=paths("/contrato/tuberia")),
    *both("hidden names where they are asked for", L + "?ruta=/.git&ocultos=true", also=paths("/.git/config", "/.git/objects")),
    *both("hidden names are left out", L + "?ruta=/visible", also=paths("/visible/a la vista")),
    *[row for value in ("exacto", "no", "auto") for path, number in ((C + "/cien", 102), (S + "?q=f&ruta=/contrato/cien", 100))
      for row in both(f"`total={value}` changes nothing", f"{path}&total={value}", also=lines(number))],
    *[row for value in ("exacto", "no", "auto")
      for row in both(f"`total={value}` changes nothing on a page", f"{C}/cien&limite=7&total={value}", also=lines(7))],
    *[row for value in ("si", "no") for row in both(f"`encolar={value}` is known", f"{C}/vacia&encolar={value}")],
    *both("`Prefer: respond-async` is ignored", C + "/cien", headers=ASYNC, also=lines(102)),
    *both("`Prefer: respond-async` is ignored, on a page too", C + "/cien&limite=3", headers=ASYNC, also=lines(3)),
    *both("no ETag: If-None-Match is no matter", C + "/vacia", headers={"If-None-Match": 'W/"x"'}),
]

ORDER = [
    *[row for asked in (C + "/cien", S + "?q=f&ruta=/contrato/cien") for row in
      both("`orden=ninguno`: as the file system gives them", asked + "&orden=ninguno")],
    *both("`directorios_primero=false` is none", C + "/cien&orden=ninguno&directorios_primero=false", also=paths(*CIEN)),
    *both("`natural` without `limite`: everything", C + "/cien&orden=natural", also=in_order(*CIEN)),
    *both("`-natural`", C + "/cien&orden=-natural", also=in_order(*reversed(CIEN))),
    *both("`nombre`", C + "/cien&orden=nombre", also=in_order(*sorted(CIEN, key=str.encode))),
    *both("`-nombre`", C + "/cien&orden=-nombre", also=in_order(*sorted(CIEN, key=str.encode, reverse=True))),
    *both("`directorios_primero=true` makes it `natural`", C + "/cien&directorios_primero=true",
          also=in_order(CIEN[-1], *CIEN[:-1])),
    *both("`directorios_primero=true` with an order", C + "/cien&directorios_primero=true&orden=-natural",
          also=in_order(CIEN[-1], *reversed(CIEN[:-1]))),
    *both("a search in an order", S + "?q=f1&ruta=/contrato/cien&orden=-natural",
          also=in_order(*[f"/contrato/cien/f{n}.txt" for n in (*range(19, 9, -1), 1)])),
    *both("with `limite` the default is `natural`", C + "/cien&limite=3", also=in_order(*CIEN[:3])),
    *both("a search with `limite`: `natural`", S + "?q=f&ruta=/contrato/cien&limite=12", also=in_order(*CIEN[:12])),
    *both("`limite` and an order", C + "/cien&limite=2&orden=-natural", also=in_order(*CIEN[:-3:-1])),
    *[row for path in (C + "/cien&", S + "?q=f&ruta=/contrato/cien&")
      for more in ("limite=5", "limite=1000", "cursor=abc", "directorios_primero=true", "limite=5&cursor=abc")
      for row in bad(f"`orden=ninguno` with {more}: 400", f"{path}{more}&orden=ninguno", "orden")
      + bad(f"`orden=ninguno`, then {more}: 400", f"{path}orden=ninguno&{more}", "orden")],
    *[row for value in ("-ninguno", "Ninguno", "ninguno,natural", "tamano", "modificado", "relevancia", "")
      for row in bad(f"`orden={value}` is none", f"{C}&orden={value}", "orden")],
    *[Row(f"`orden=ninguno` in JSON: 400 ({asked})", asked, 400, "valor_invalido", "orden")
      for asked in (C + "&orden=ninguno", C + "&orden=ninguno&formato=json", C + "&formato=json&orden=ninguno",
                    S + "?q=a&orden=ninguno", S + "?q=a&orden=ninguno&formato=json")],
    *[Row(f"`orden=ninguno` in HTML: 400 ({asked})", asked + "&orden=ninguno", 400, also=kind(HTML))
      for asked in (C + "&formato=html", S + "?q=a&formato=html")],
    Row("`orden=ninguno` where a browser asks: 400", C + "&orden=ninguno", 400, headers={"Accept": BROWSER},
        also=kind(HTML)),
    *[Row(f"`orden=ninguno` where Accept asks for a stream ({accept})", C + "/cien&orden=ninguno",
          headers={"Accept": accept}, also=paths(*CIEN)) for accept in (NDJSON, TEXT)],
]

FAULTS = [
    *[row for value in ("0", "1001", "-1", "x", "1e2") for row in bad(f"`limite` {value}: 1–1000", f"{L}?limite={value}", "limite")],
    *[row for value in (1, 1000) for row in both(f"`limite` {value} is in range", f"{C}/cien&limite={value}")],
    *bad("an unknown parameter", L + "?nada=1", "nada", "parametro_desconocido"),
    *bad("a repeated parameter", L + "?ruta=/&ruta=/", "ruta", "parametro_repetido"),
    *bad("`formato` twice", L + "?formato=json", "formato", "parametro_repetido"),
    *bad("a cursor that is none", L + "?cursor=abc", "cursor", "cursor_invalido"),
    *bad("a cursor that is none (search)", S + "?q=a&cursor=abc", "cursor", "cursor_invalido"),
    *bad("a bad `total`", L + "?total=si", "total"),
    *bad("a bad `encolar`", L + "?encolar=x", "encolar"),
    *bad("a bad boolean", L + "?directorios_primero=1", "directorios_primero"),
    *bad("a path through a file", C + "/archivo.txt/x", "ruta", "no_es_directorio"),
    *bad("a slash at the end demands a folder", C + "/archivo.txt/", "ruta", "no_es_directorio"),
    *bad("search beneath a file", S + "?q=a&ruta=/contrato/archivo.txt", "ruta", "no_es_directorio"),
    *bad("without `q` and without a filter", S, "q"),
    *bad("an open quote", S + "?q=%22abierta", "q", columna=1),
    *both("must exist", L + "?ruta=/nada", 404, "no_existe", "ruta"),
    *both("must exist (search)", S + "?q=a&ruta=/nada", 404, "no_existe", "ruta"),
    *both("`..` is never resolved", L + "?ruta=/..", 404, "no_existe", "ruta"),
    *both("hidden without `ocultos`", L + "?ruta=/.git", 404, "no_existe", "ruta"),
    *both("a folder that may not be read", L + "?ruta=/permisos/cerrada", 403, "sin_permiso", "ruta"),
    *both("a folder that may not be read (search)", S + "?q=a&ruta=/permisos/cerrada", 403, "sin_permiso", "ruta"),
    *both("the same on a page", L + "?ruta=/nada&limite=5", 404, "no_existe", "ruta"),
    *both("another method: 405", C, 405, "metodo_no_permitido", method="POST"),
    *[Row(f"Problems are problem+json for {accept}", asked, status, codigo, parametro, headers={"Accept": accept})
      for accept in (NDJSON, TEXT) for asked, status, codigo, parametro in (
          (L + "?limite=0", 400, "valor_invalido", "limite"), (L + "?ruta=/nada", 404, "no_existe", "ruta"),
          ("/nada", 404, "ruta_http_desconocida", None))],
]

ROWS = FORM + LINES + ORDER + FAULTS


# The worlds

@pytest.fixture(scope="module")
def place():
    with own_folder() as path:
        yield path


@pytest.fixture(scope="module")
def root(place, seed):
    """The odd tree, of these tests alone."""
    path = f"{place}/root"
    os.mkdir(path)
    try:
        odd_tree.build(path, seed)
        yield os.fsencode(path)
    finally:
        odd_tree.remove(path)


@pytest.fixture(scope="module")
def tree(root):
    return oracle.read(root)


@pytest.fixture(scope="module")
def odd(place, root):
    with Stack(place, root, "odd") as made:
        yield made


@pytest.fixture(scope="module")
def client(odd):
    return odd.client


def made_name(number):
    return f"entrada {number:06} de una carpeta con muchas entradas.txt"


@pytest.fixture(scope="module")
def large_root():
    """`grande` with 200,000 entries, `mediana` with 5,000, `pequena` with 3, and `rara` in the first and the last folder made;
    in memory where there is such a place."""
    shared = os.access("/dev/shm", os.W_OK)
    path = tempfile.mkdtemp(prefix="pasarela-test-", dir="/dev/shm" if shared else "/tmp")
    try:
        os.chmod(path, 0o755)
        for name, count in (("primera", 0), ("grande", ENTRIES), ("mediana", 5_000), ("pequena", 3), ("ultima", 0)):
            os.mkdir(f"{path}/{name}")
            if count == 0:
                os.mknod(f"{path}/{name}/rara")
            inside = os.open(f"{path}/{name}", os.O_RDONLY)
            try:
                for number in range(count):
                    os.mknod(made_name(number), dir_fd=inside)
            finally:
                os.close(inside)
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture(scope="module")
def large(place, large_root):
    with Stack(place, large_root, "large", LOG_REQUESTS="yes") as made:
        yield made


@pytest.fixture(scope="module")
def few(place, large_root):
    """Two streams at a time, whose clients may take nothing as long as a test lasts."""
    with Stack(place, large_root, "few", STREAMS=2) as made:
        yield made


@pytest.fixture(scope="module")
def narrow(place, large_root):
    with Stack(place, large_root, "narrow", STREAMS=2, WRITE_TIMEOUT=1, DEADLINE=1, PATIENCE=0.1,
               SORT_BYTES_MAX=1 << 20) as made:
        yield made


UNDER_WAY = "pasarela_streams_under_way"


def under_way(stack):
    return stack.metrics()[UNDER_WAY]


# The contract

@pytest.mark.parametrize("row", ROWS, ids=[f"{row.sentence} {row.method}"[:130] for row in ROWS])
def test_the_contract(client, row):
    answer = client.ask(row.target, row.headers, row.method)
    if row.codigo:
        check_problem(answer, row.status, row.codigo, row.parametro, row.columna)
    assert answer.status == row.status, (answer.status, row.target, answer.body[:500])
    if row.also:
        row.also(answer)
    if row.status == 200 and answer.kind in FORMS.values():
        check_forms_headers(answer)
        told(answer.body, form_of(answer))
        assert not answer.all("Location") and "respond-async" not in (answer.maybe("Preference-Applied") or "")


def test_openapi_tells_of_the_forms(client):
    document = client.ask("/openapi.json").json()
    for path in (L, S):
        assert {JSON, HTML, NDJSON, TEXT} == set(document["paths"][path]["get"]["responses"]["200"]["content"])
    given = document["components"]["parameters"]
    assert set(given["formato"]["schema"]["enum"]) == {"json", "html", "ndjson", "texto"}
    assert "ninguno" in given["orden"]["schema"]["enum"] and "-ninguno" not in given["orden"]["schema"]["enum"]


@pytest.mark.parametrize("asked, headers, status", [
    (C + "/cien&formato=ndjson", {}, 200), (C + "/cien&formato=texto", {}, 200), (C + "/cien", {"Accept": NDJSON}, 200),
    (C + "/cien&formato=ndjson&orden=natural", {"Accept-Language": "en"}, 200),
    (S + "?q=a&ruta=/contrato&formato=ndjson", {}, 200), (S + "?q=a&ruta=/contrato&formato=texto", {}, 200),
    (C + "/cien&limite=5&formato=ndjson", {}, 200), (C + "/cien&limite=5&formato=texto", {}, 200),
    (S + "?q=s&ruta=/permisos&limite=1&formato=texto", {}, 200), (S + "?q=s&ruta=/permisos&formato=ndjson", {}, 200),
    (L + "?ruta=/nada&formato=ndjson", {}, 404), (L + "?ruta=/permisos/cerrada&formato=texto", {}, 403),
    (L + "?orden=ninguno&limite=5&formato=texto", {}, 400), (S + "?q=%22a&formato=ndjson", {}, 400)])
def test_head_has_the_status_and_headers_of_get_and_no_body(client, asked, headers, status):
    whole, head = client.ask(asked, headers), client.ask(asked, headers, "HEAD")
    own = ("date", "x-request-id", "transfer-encoding", "connection")
    assert head.status == whole.status == status and head.body == b""
    if status == 200:
        assert [h for h in head.headers if h[0] not in own] == [h for h in whole.headers if h[0] not in own]
        check_forms_headers(head, "HEAD")
    else:  # The length of a problem follows its request's id.
        assert {h[0] for h in head.headers} - {*own} == {h[0] for h in whole.headers} - {*own}


def test_ndjson_speaks_the_readers_language_text_has_none(client):
    notices = []
    for language in ("es", "en"):
        given = {"Accept-Language": language}
        answer = client.ask(S + "?q=secreto&ruta=/permisos&formato=ndjson", given)
        assert answer.one("Content-Language") == language
        notices.append(told(answer.body, "ndjson").notices)
        assert not client.ask(S + "?q=secreto&ruta=/permisos&formato=texto", given).all("Content-Language")
        problem = client.ask(L + "?limite=0&formato=texto", given)
        assert problem.one("Content-Language") == language
    assert notices[0] and [n["detalle"] for n in notices[0]] != [n["detalle"] for n in notices[1]]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("asked", [C + "/cien", S + "?q=f&ruta=/contrato/cien", C + "/cien&limite=50"])
def test_the_request_id_is_taken_over(client, form, asked):
    assert client.ask(f"{asked}&formato={form}", {"X-Request-Id": "mi-id"}).one("X-Request-Id") == "mi-id"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("more", ["", "&limite=1000"])
def test_compressed_or_not_it_is_the_same(client, form, more):
    asked = f"{C}/cien&orden=natural&formato={form}{more}"
    plain, packed = client.ask(asked), client.ask(asked, {"Accept-Encoding": "gzip"})
    body = gzip.decompress(packed.body) if packed.maybe("Content-Encoding") == "gzip" else packed.body
    assert body == plain.body


@pytest.mark.parametrize("form", FORMS)
def test_http_2_answers_alike(odd, form):
    context = ssl.create_default_context(cafile=odd.certificate)  # httpx changes what it gets.
    with httpx.Client(http2=True, verify=context) as other:
        for asked in (f"{C}/cien&orden=natural&formato={form}", f"{C}/cien&limite=5&formato={form}"):
            answer, plain = other.get(odd.url + asked, headers={"Accept-Encoding": "identity"}), odd.client.ask(asked)
            assert answer.http_version == "HTTP/2" and answer.status_code == 200 and answer.content == plain.body
            assert "x-accel-buffering" not in answer.headers
            assert answer.headers["content-type"] == FORMS[form]


@pytest.mark.parametrize("form", FORMS)
def test_http_1_0_gets_the_same_lines(odd, form):
    """Without chunks the connection's end is the body's end: only the last line tells that it is whole."""
    asked = f"{C}/cien&orden=natural&formato={form}"
    with socket.create_connection(("127.0.0.1", odd.port), timeout=30) as plain, \
            odd.client.context.wrap_socket(plain, server_hostname="localhost") as secure:
        secure.sendall(f"GET {asked} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        raw = b"".join(iter(lambda: secure.recv(1 << 16), b""))
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0] and b"chunked" not in head.lower(), head
    assert not re.search(rb"^(x-accel-buffering|content-length|etag):", head, re.I | re.M), head
    assert body == odd.client.ask(asked).body


def test_a_connection_is_kept_after_a_stream(client):
    client.ask(C + "/cien&formato=ndjson")
    kept = client.socket
    for form in FORMS:
        assert client.ask(f"{C}/cien&formato={form}").status == 200
    assert kept is not None and client.socket is kept


# Truth

def readable(tree, hidden=True):
    return [ruta for ruta in folders(tree) if oracle.resolve(tree, ruta, hidden)[0] == "folder"]


@pytest.mark.parametrize("form", FORMS)
def test_every_folder_as_the_file_system_gives_it(client, tree, form):
    found = readable(tree)
    for number, ruta in enumerate(found):
        hidden = b"/." in ruta or number % 2 == 0
        given = {"orden": "ninguno"} if number % 3 == 0 else {}
        answer = client.get(L, ruta=ruta, ocultos="true" if hidden else "false", formato=form, **given)
        check_lines(answer, form, oracle.listing(tree, ruta, hidden=hidden))
    assert len(found) > 150


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("first", ["true", "false"])
def test_every_folder_in_every_order(client, tree, form, order, first):
    for ruta in readable(tree)[::3]:
        answer = client.get(L, ruta=ruta, ocultos="true", orden=order, directorios_primero=first, formato=form)
        check_lines(answer, form, oracle.listing(tree, ruta, order, first == "true", hidden=True), in_order=True)


@pytest.mark.parametrize("order", [None, *ORDERS])
@pytest.mark.parametrize("ruta", ["/", "/contrato", "/nombres", "/orden", "/mezcla", "/gemelos ñ", "/permisos/solo lista",
                                  "/enlaces", "/tiempos", "/tamaños"])
def test_a_stream_is_all_pages_of_json_and_its_lines_are_their_very_objects(client, ruta, order):
    given = {} if order is None else {"orden": order}
    entries, pages, notices = [], b"", None
    for answer, page in client.pages(target(L, ruta=ruta, limite=40, **given)):
        entries += page["entradas"]
        pages, notices = pages + answer.body, (page["completo"], page["avisos"])
    answer = client.get(L, ruta=ruta, formato="ndjson", **given)
    said, text = told(answer.body, "ndjson"), told(client.get(L, ruta=ruta, formato="texto", **given).body, "texto")
    if order is None:
        assert unordered(said.entries) == unordered(entries)
        assert sorted(text.entries) == sorted(path_of(entry) for entry in entries)
    else:
        assert said.entries == entries and text.entries == [path_of(entry) for entry in entries]
    assert (said.complete, said.notices) == notices and text.complete == notices[0]
    for line in answer.body.split(b"\n")[:-2]:
        assert line in pages, line


QUERIES = ["a", "nino", "niño", "*.txt", "-a", '"a b"', "o -n", "\ufffd", "ss", None]


@pytest.mark.parametrize("q", QUERIES)
@pytest.mark.parametrize("ruta", ["/", "/contrato", "/permisos", "/nombres", "/gemelos ñ"])
def test_search_in_both_forms_and_every_order(client, tree, q, ruta):
    for number, (form, order) in enumerate((f, o) for f in FORMS for o in (None, "natural", "-natural", "-nombre")):
        kinds = ["archivo", "enlace"] if q is None or number % 2 else None
        hidden, first = number % 3 == 0, order is not None and number % 4 == 1
        given = {"formato": form, "ruta": ruta, "ocultos": "true" if hidden else "false"}
        given |= {} if q is None else {"q": q}
        given |= {} if kinds is None else {"tipo": ",".join(kinds)}
        given |= {} if order is None else {"orden": order}
        given |= {"directorios_primero": "true"} if first else {}
        expected = oracle.search(tree, ruta.encode(), q, order or "natural", first, kinds, hidden)
        said = check_lines(client.get(S, **given), form, expected, in_order=order is not None)
        if form == "ndjson":
            assert all(("coincidencias" in entry) == (q is not None) for entry in said.entries)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_only_these_kinds(client, tree, form, kind):
    for ruta in ("/contrato", "/especiales", "/enlaces", "/permisos"):
        expected = oracle.listing(tree, ruta.encode(), kinds=[kind])
        check_lines(client.get(L, ruta=ruta, tipo=kind, formato=form), form, expected)
        expected = oracle.search(tree, ruta.encode(), kinds=[kind])
        check_lines(client.get(S, ruta=ruta, tipo=kind, formato=form), form, expected)


def test_names_of_any_bytes(client, folder):
    path, ruta = folder
    with odd_tree.Folder(os.open(path, os.O_RDONLY)) as here:
        with here.folder(b"una\nlinea\\r\r\xff") as inner:
            inner.file(b"dos\\n\n\xfe\"'")
        for name in (b"\n", b"\\", b"\\n", b"\r", b"# fin 3", b'{"fin":true}', b"x" * 255, b"\xff" * 255, b".oculta",
                     "ñ ".encode() * 80, b"\t \x01\x1b\x7f", b"fin\n# fin 0"):
            here.file(name)
    given = dict(ruta=ruta, ocultos="true", orden="nombre")
    text = client.get(L, formato="texto", **given)
    names = [b"\t \x01\x1b\x7f", b"\\n", b"\\r", b"# fin 3", b".oculta", b"\\\\",
             b"\\\\n", b"fin\\n# fin 0", b"una\\nlinea\\\\r\\r\xff", b"x" * 255, b'{"fin":true}', "ñ ".encode() * 80,
             b"\xff" * 255]
    assert text.body == b"".join(ruta + b"/" + name + b"\n" for name in names) + b"# fin 13\n"
    said = told(client.get(L, formato="ndjson", **given).body, "ndjson")
    assert [path_of(entry) for entry in said.entries] == told(text.body, "texto").entries
    assert said.entries[-1]["nombre"] == "\ufffd" * 255
    found = client.get(S, ruta=ruta, q="dos", formato="texto")
    assert found.body == ruta + b"/una\\nlinea\\\\r\\r\xff/dos\\\\n\\n\xfe\"'\n# fin 1\n"


def test_every_change_before_the_request_is_in_the_stream(client, folder):
    path, ruta = folder
    for number in range(60):
        name, asked = b"nuevo %d" % number, [dict(ruta=ruta, formato=form) for form in FORMS]
        with open(path + b"/" + name, "wb") as file:
            file.write(b"x" * number)
        for given in asked:
            assert ruta + b"/" + name in paths_of(told(client.get(L, **given).body, given["formato"]))
            assert ruta + b"/" + name in paths_of(told(client.get(S, q="nuevo", **given).body, given["formato"]))
        said = told(client.get(L, **asked[0]).body, "ndjson")
        assert [e["tamano"] for e in said.entries if e["nombre"] == name.decode()] == [number]
        if number % 2:
            os.remove(path + b"/" + name)
            for given in asked:
                assert ruta + b"/" + name not in paths_of(told(client.get(L, **given).body, given["formato"]))


def test_what_cant_be_proved_is_marked(client, folder):
    path, ruta = folder
    os.mkdir(path + b"/abierta")
    for number in range(130):
        os.mkdir(path + b"/cerrada %d" % number, 0)
    try:
        given = dict(q="a", ruta=ruta, tipo="directorio")
        page = client.get(S, limite=1000, **given).json()
        said = told(client.get(S, formato="ndjson", **given).body, "ndjson")
        assert page["completo"] is said.complete is False and said.total == len(page["entradas"]) == 131
        assert len(said.notices) == len(page["avisos"]) == 100, "at most 100"
        assert {n["codigo"] for n in said.notices} == {"sin_permiso"} and set(said.notices[0]) == set(page["avisos"][0])
        text = client.get(S, formato="texto", **given)
        assert text.body.endswith(b"\n# fin 131 incompleto\n")
        page = client.get(S, formato="texto", limite=5, **given)
        assert re.search(rb"\n# fin 5 incompleto cursor=[\x21-\x7e]+\n$", page.body), page.body
    finally:
        for number in range(130):
            os.rmdir(path + b"/cerrada %d" % number)


def test_what_stays_is_given_once_while_others_come_and_go(large, large_root):
    stays = {f"/mediana/{made_name(number)}".encode() for number in range(5_000)}

    def come_and_go(stop, number):
        turn = 0
        while not stop.is_set():
            name = f"{large_root}/mediana/de paso {number} {turn % 50}"
            os.mknod(name)
            if turn % 3:
                os.rename(name, name + " otro")
                name += " otro"
            os.remove(name)
            turn += 1

    with beside(come_and_go, threads=2):
        for turn in range(12):
            for form in FORMS:
                order = {} if turn % 2 else {"orden": "natural"}
                found = paths_of(told(large.client.get(L, ruta="/mediana", formato=form, **order).body, form))
                found = [path for path in found if b"/de paso " not in path]
                assert len(found) == len(set(found)) and set(found) == stays


# Pages in these forms

def pages(client, asked, form):
    """[(answer, what it says)] from `asked` on, by the Link header; the end line's cursor must say the same."""
    made = []
    while asked:
        answer = client.ask(asked)
        assert answer.status == 200, (answer.status, asked, answer.body[:500])
        check_forms_headers(answer)
        said = told(answer.body, form)
        given = None if answer.next is None else dict(parameters(answer.next))[b"cursor"]
        assert said.cursor == (given and given.decode()), (asked, answer.headers, said.cursor)
        made.append((answer, said))
        asked = answer.next
    return made


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_with_limite_the_answer_is_a_page(client, tree, chance, form, limit):
    for ruta in (b"/contrato", b"/contrato/cien", b"/nombres", b"/mezcla", b"/permisos", b"/contrato/vacia"):
        order, first = chance.choice(ORDERS), chance.random() < 0.3
        given = {"ruta": ruta, "orden": order, "directorios_primero": "true" if first else "false", "formato": form}
        expected = oracle.listing(tree, ruta, order, first)
        if limit == 1 and len(expected.entries) > 60:
            continue
        made = pages(client, target(L, limite=limit, **given), form)
        assert [said.total for _, said in made[:-1]] == [limit] * (len(made) - 1)
        assert [p for _, said in made for p in paths_of(said)] == [path_of(entry) for entry in expected.entries]
        if form == "ndjson":
            assert [entry for _, said in made for entry in said.entries] == expected.entries
        assert {said.complete for _, said in made} == {expected.complete}


@pytest.mark.parametrize("form", FORMS)
def test_a_search_page_by_page(client, tree, form):
    for ruta, q, order in ((b"/contrato", "txt", "natural"), (b"/permisos", "s", "-nombre"), (b"/nombres", "a", "-natural")):
        expected = oracle.search(tree, ruta, q, order)
        made = pages(client, target(S, ruta=ruta, q=q, orden=order, limite=5, formato=form), form)
        assert [p for _, said in made for p in paths_of(said)] == [path_of(entry) for entry in expected.entries]
        assert {said.complete for _, said in made} == {expected.complete} and len(made) > 1


def test_the_last_line_of_a_page(client):
    answer = client.ask(C + "/cien&limite=2&formato=texto")
    assert re.fullmatch(rb"/contrato/cien/f0.txt\n/contrato/cien/f1.txt\n# fin 2 cursor=[\x21-\x7e]+\n", answer.body)
    answer = client.ask(C + "/cien&limite=1&formato=ndjson")
    assert re.search(rb'\n\{"fin":true,"total":1,"completo":true,"cursor":"[\x21-\x7e]+"\}\n$', answer.body), answer.body
    for form, last in (("texto", b"# fin 102"), ("ndjson", b'{"fin":true,"total":102,"completo":true}')):
        assert client.ask(f"{C}/cien&limite=102&formato={form}").body.split(b"\n")[-2] == last
    answer = client.get(S, ruta="/permisos", q="s", limite=1, formato="texto")
    assert re.search(rb"\n# fin 1 incompleto cursor=[\x21-\x7e]+\n$", answer.body), answer.body


@pytest.mark.parametrize("path, given", [
    (L, dict(ruta="/contrato/cien")), (L, dict(ruta="/contrato/cien", orden="-nombre")),
    (L, dict(ruta="/contrato/cien", directorios_primero="true")), (L, dict(ruta="/nombres", ocultos="true")),
    (S, dict(ruta="/contrato", q="txt")), (S, dict(ruta="/contrato", tipo="archivo", orden="-natural"))])
def test_a_cursor_is_interchangeable_with_jsons(client, path, given):
    """The first pages in turn in each form; then everything behind that place."""
    whole = [entry for _, page in client.pages(target(path, limite=1000, **given)) for entry in page["entradas"]]
    wanted = [path_of(entry) for entry in whole]
    seen, cursor = [], {}
    for turn, form in enumerate(("json", "ndjson", "texto", "ndjson", "json", "texto", "json")):
        answer = client.get(path, **given, limite=1 + turn % 3, formato=form, **cursor)
        if form == "json":
            seen += [path_of(entry) for entry in answer.json()["entradas"]]
            cursor = {"cursor": answer.json()["cursor"]}
        else:
            said = told(answer.body, form)
            seen, cursor = seen + paths_of(said), {"cursor": said.cursor}
        assert seen == wanted[:len(seen)], form
        for other in FORMS:
            rest = client.get(path, **given, formato=other, **cursor)
            check_forms_headers(rest)
            said = told(rest.body, other)
            assert said.cursor is None and paths_of(said) == wanted[len(seen):], (form, other)
            if other == "ndjson":
                assert said.entries == whole[len(seen):]


@pytest.mark.parametrize("form", FORMS)
def test_a_cursor_of_another_query_is_refused(client, form):
    cursor = client.ask(C + "/cien&limite=5").json()["cursor"]
    for asked in (C, C + "/cien&orden=-natural", C + "/cien&orden=nombre", C + "/cien&directorios_primero=true",
                  C + "/cien&tipo=archivo", S + "?ruta=/contrato/cien&q=f"):
        for more in ("", "&limite=5"):
            answer = client.ask(f"{asked}&formato={form}&cursor={cursor}{more}")
            check_problem(answer, 400, "cursor_invalido", "cursor")
    named = client.ask(C + "/cien&limite=5&orden=nombre").json()["cursor"]
    check_problem(client.ask(f"{C}/cien&formato={form}&cursor={named}"), 400, "cursor_invalido", "cursor")
    for given in ("ninguno&cursor=" + cursor, f"ninguno&limite=5&cursor={cursor}"):
        check_problem(client.ask(f"{C}/cien&formato={form}&orden={given}"), 400, "valor_invalido", "orden")


def test_link_has_all_the_requests_parameters_and_the_cursor(client):
    given = dict(ruta="/contrato/cien", limite=7, orden="-nombre", tipo="archivo,enlace", total="no", formato="texto",
                 encolar="no", ocultos="true")
    answer = client.get(L, **given)
    linked = dict(parameters(answer.next))
    assert linked.pop(b"cursor").decode() == told(answer.body, "texto").cursor
    assert linked == {name.encode(): str(value).encode() for name, value in given.items()}
    answer = client.ask(C + "/cien&limite=7", {"Accept": NDJSON})  # The next one is asked for with the same Accept.
    assert client.ask(answer.next, {"Accept": NDJSON}).kind == NDJSON


def test_etag_is_weak_differs_by_form_and_gives_a_304(client):
    asked = C + "/cien&limite=5"
    tags = {form: client.ask(f"{asked}&formato={form}").one("ETag") for form in ("json", "html", *FORMS)}
    assert len(set(tags.values())) == 4, tags
    for form in FORMS:
        for method in ("GET", "HEAD"):
            answer = client.ask(f"{asked}&formato={form}", {"If-None-Match": tags[form]}, method)
            assert answer.status == 304 and answer.body == b"" and answer.one("ETag") == tags[form]
        others = ", ".join(tag for other, tag in tags.items() if other != form)
        assert client.ask(f"{asked}&formato={form}", {"If-None-Match": others}).status == 200
        # A stream has none, so nothing that a page had makes it a 304.
        assert client.ask(f"{C}/cien&formato={form}", {"If-None-Match": tags[form]}).status == 200


def test_a_change_changes_the_etag_of_a_page(client, folder):
    path, ruta = folder
    tags = {form: set() for form in FORMS}
    for number in range(10):
        with open(path + b"/%d" % number, "wb"):
            pass
        for form, seen in tags.items():
            answer = client.get(L, ruta=ruta, limite=50, formato=form)
            assert answer.one("ETag") not in seen
            seen.add(answer.one("ETag"))


# Many entries

def test_all_of_200_000_entries(large):
    wanted = [f"/grande/{made_name(number)}".encode() for number in range(ENTRIES)]
    for form, order in (("ndjson", ""), ("texto", ""), ("texto", "natural"), ("texto", "-nombre")):
        answer = large.client.ask(f"{LARGE}&formato={form}" + (f"&orden={order}" if order else ""))
        found = paths_of(told(answer.body, form))
        assert (found if order == "natural" else found[::-1] if order else sorted(found)) == wanted, (form, order)


def test_everything_behind_a_place_among_200_000(large):
    cursor = large.client.ask(LARGE + "&limite=1000").json()["cursor"]
    found = paths_of(told(large.client.ask(f"{LARGE}&formato=texto&cursor={cursor}").body, "texto"))
    assert found == [f"/grande/{made_name(number)}".encode() for number in range(1000, ENTRIES)]


def test_all_of_200_000_hits(large):
    found = told(large.client.ask(S + "?ruta=/grande&q=entrada&formato=texto").body, "texto").entries
    assert sorted(found) == [f"/grande/{made_name(number)}".encode() for number in range(ENTRIES)]


@pytest.mark.parametrize("part, asked", [
    ("mserv1", LARGE + "&formato=ndjson"), ("mserv1", LARGE + "&formato=texto"),
    ("mserv2", S + "?ruta=/grande&q=entrada&formato=ndjson"), ("mserv1", LARGE + "&orden=nombre&formato=texto"),
    ("mserv2", S + "?ruta=/grande&q=entrada&orden=-natural&formato=ndjson")])
def test_memory_is_bounded_while_it_is_read_slowly(large, part, asked):
    pids = (large.gateway.pid, large.parts[part].pid)
    large.client.ask(asked.replace("grande", "pequena"))
    before, most = sum(map(pss, pids)), 0
    with reading(large, asked) as reader:
        begun = time.monotonic()
        while time.monotonic() - begun < 2:  # About 1 MB/s.
            reader.take(1 << 16)
            most = max(most, sum(map(pss, pids)))
            time.sleep(0.06)
        while reader.take(1 << 22):
            most = max(most, sum(map(pss, pids)))
        assert counted(bytes(reader.body), "texto" if "texto" in asked else "ndjson") == ENTRIES
    # An order takes what its names take: some 170 bytes each, 250 by natural order.
    names = 0 if "orden" not in asked else ENTRIES * 300 >> 10
    assert most - before < (32 << 10) + names, f"{most - before} KiB more than {before} KiB"


@pytest.mark.parametrize("asked", [LARGE + "&formato=ndjson", LARGE + "&formato=texto",
                                   S + "?ruta=/grande&q=entrada&formato=ndjson"])
def test_the_first_byte_comes_at_once(large, asked):
    took = []
    for _ in range(5):
        with Reader(large, asked) as reader:
            assert reader.head().status == 200
            reader.take(1)
            took.append(time.monotonic() - reader.begun)
    assert statistics.median(took) < 0.05 * NOISE, took


@pytest.mark.parametrize("part, asked", [("mserv1", LARGE + "&formato=ndjson"),
                                         ("mserv2", S + "?ruta=/grande&q=entrada&formato=ndjson")])
def test_who_reads_slowly_makes_the_daemon_wait(large, part, asked):
    pid = large.parts[part].pid

    def spent():
        """Its seconds of processor, when it has come to rest."""
        def rests():
            seen = cpu(pid)
            time.sleep(0.2)
            return cpu(pid) - seen < 0.005

        until(rests, f"{part} to wait")
        return cpu(pid) - before

    before = cpu(pid)
    size = len(large.client.ask(asked).body)
    whole = spent()
    before = cpu(pid)
    with reading(large, asked) as reader:
        first = spent()
        reader.take(size // 2)
        second = spent()
        body = reader.rest()
    assert counted(body, "ndjson") == ENTRIES
    assert first < 0.4 * whole and first < second < 0.9 * whole, (first, second, whole)


def test_who_reads_slowly_is_not_cut_off_by_the_time_it_takes(narrow):
    """Neither the daemon's deadline (1 s) nor the write's time-out (1 s) is about the whole. (What nginx takes at once is up
    to 1.4 MB: a reader of less than that a second would need more than this stack's time-out; the default is a minute.)"""
    rate = 4_000_000
    with reading(narrow, LARGE + "&formato=ndjson") as reader:
        begun = time.monotonic()
        while time.monotonic() - begun < 3.5:
            assert reader.take(rate // 40), (reader.whole, reader.body[-200:])
            time.sleep(0.025)
        assert counted(reader.rest(), "ndjson") == ENTRIES


def test_a_stream_has_a_longest_life(place, large_root):
    """PASARELA_STREAM_LIFE, an hour: who makes it longer gets no end line, however often something is taken."""
    name = identity()
    with Stack(place, large_root, "life", STREAM_LIFE=1) as stack:
        with reading(stack, LARGE + "&formato=ndjson", headers={"X-Request-Id": name}) as reader:
            until(lambda: name in stack.gateway.said() or not reader.take(1 << 14), "the end of its life")
            assert not has_end(reader.rest())
        assert told(stack.client.ask(L + "?ruta=/mediana&formato=ndjson").body, "ndjson").total == 5_000


def test_a_search_as_a_stream_has_no_budget(place, large_root):
    with Stack(place, large_root, "budget", WALK_BUDGET=0.05) as stack:
        assert stack.client.ask(S + "?ruta=/grande&q=entrada").json()["completo"] is False
        with reading(stack, S + "?ruta=/grande&q=entrada&formato=ndjson") as reader:
            body = reader.rest()
        assert counted(body, "ndjson") == ENTRIES and body.endswith(b'"completo":true}\n')


def test_a_search_that_finds_nothing_goes_on_as_long_as_it_takes(place, large_root):
    """PASARELA_DEADLINE is how long a daemon may say nothing; one that is at work says so each second."""
    asked = target(S, ruta="/grande", q=SLOW_AND_NONE, formato="ndjson")

    with Stack(place, large_root, "deadline", DEADLINE=2, PATIENCE=0) as stack:
        def hinder(stop, _):
            """It has a quarter of the time."""
            while not stop.is_set():
                stack.mserv2.freeze()
                time.sleep(0.3)
                stack.mserv2.thaw()
                time.sleep(0.1)

        with beside(hinder), Reader(stack, asked) as reader:
            assert reader.head().status == 200
            assert reader.rest() == b'{"fin":true,"total":0,"completo":true}\n'
            took = time.monotonic() - reader.begun
        assert took > 3, f"{took} s: too quick to show anything"


def test_16_streams_at_the_same_time(large):
    wanted = sorted(f"/mediana/{made_name(number)}".encode() for number in range(5_000))

    def ask(number):
        form, one = list(FORMS)[number % 2], large.client.another()
        asked = f"{S}?ruta=/mediana&q=entrada" if number % 3 == 0 else L + "?ruta=/mediana"
        answers = [one.ask(f"{asked}&formato={form}") for _ in range(4)]
        one.close()
        return [(answer.status, sorted(paths_of(told(answer.body, form))) == wanted) for answer in answers]

    with futures.ThreadPoolExecutor(16) as pool:
        assert {found for made in pool.map(ask, range(16)) for found in made} == {(200, True)}


def test_streams_leave_nothing_behind(large):
    def round(number):
        for turn in range(number):
            form = list(FORMS)[turn % 2]
            assert large.client.ask(f"{L}?ruta=/pequena&formato={form}&orden=nombre").status == 200
            assert large.client.ask(f"{S}?ruta=/pequena&q=entrada&formato={form}").status == 200
            assert large.client.ask(f"{L}?ruta=/nada&formato={form}").status == 404
            assert large.client.ask(f"{L}?ruta=/pequena&formato={form}", method="HEAD").status == 200
            if turn % 10 == 0:
                reading(large, f"{LARGE}&formato={form}").close()

    def held():
        pids = [large.parts[part].pid for part in ("gateway", "mserv1", "mserv2")]
        return [sum(map(pss, pids)), sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids),
                sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids)]

    round(100)
    before = held()
    round(300)
    after = held()
    assert after[0] - before[0] < 4 << 10, (before, after)
    assert after[1] - before[1] < 20 and after[2] - before[2] < 20, (before, after)


# Who goes away

# The same without a hit.
SLOW_AND_NONE = SLOW + " zzzz"


@pytest.mark.parametrize("part, asked, reads", [
    ("mserv1", LARGE + "&formato=ndjson", True), ("mserv1", LARGE + "&formato=texto", True),
    ("mserv1", LARGE + "&formato=ndjson&orden=natural", True),
    ("mserv2", S + "?ruta=/grande&q=entrada&formato=ndjson", True),
    ("mserv2", target(S, ruta="/grande", q=SLOW_AND_NONE, formato="ndjson").decode(), False),
    ("mserv2", target(S, ruta="/grande", q=SLOW, orden="natural", formato="texto").decode(), False),
    ("mserv2", target(S, ruta="/grande", q=SLOW).decode(), False)],
    ids=["list", "list text", "list in order", "search", "search without a hit", "search in order", "search as JSON"])
def test_a_client_that_goes_away_stops_the_daemon(large, part, asked, reads):
    late = []
    for _ in range(5):
        name, before = identity(), cpu(large.parts[part].pid)
        reader = Reader(large, asked, {"X-Request-Id": name})
        if reads:
            assert reader.head().status == 200 and reader.take(100_000)
        else:
            until(lambda: cpu(large.parts[part].pid) - before > 0.1, "the daemon to be at work")
        assert ended_call(large, part, name) is None, "it ended by itself"
        gone = time.time()
        reader.close()
        when, code = until(lambda: ended_call(large, part, name), "the end of the call")
        assert code == 1, f"not cancelled: {code}"
        late.append(when - gone)
    assert statistics.median(late) < 0.1 * NOISE, late


def test_who_asked_the_same_and_stays_is_answered(large):
    """Requests that share a call: one that goes away does not take it from the others."""
    asked = target(S, ruta="/grande", q=SLOW, limite=3)
    before = cpu(large.mserv2.pid)
    leave = [Reader(large, asked)]
    until(lambda: cpu(large.mserv2.pid) - before > 0.05, "the search to begin")
    leave += [Reader(large, asked) for _ in range(3)]
    stay = [Reader(large, asked) for _ in range(2)]
    try:
        for one in leave:
            one.close()
        for one in stay:
            assert one.head().status == 200
            assert len(json.loads(one.rest())["entradas"]) == 3
    finally:
        for one in leave + stay:
            one.close()


class HTTP2:
    """A connection with several requests at once; what is read of each is the test's choice."""

    def __init__(self, stack):
        context = ssl.create_default_context(cafile=stack.certificate)
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", stack.port), timeout=30)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.connection = h2.connection.H2Connection()
        self.connection.initiate_connection()
        self.bodies, self.ended, self.statuses = {}, set(), {}
        self.send()

    def send(self):
        self.socket.sendall(self.connection.data_to_send())

    def ask(self, asked, **headers):
        number = self.connection.get_next_available_stream_id()
        self.connection.send_headers(number, [
            (":method", "GET"), (":path", asked), (":scheme", "https"), (":authority", "localhost"), *headers.items()],
            end_stream=True)
        self.bodies[number] = b""
        self.send()
        return number

    def read_until(self, done, taking=()):
        """Reads until `done()`; only of the requests in `taking` is more let come than the first window (64 KiB)."""
        while not done():
            data = self.socket.recv(1 << 16)
            assert data, "the connection has ended"
            for event in self.connection.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    self.bodies[event.stream_id] += event.data
                    # The connection's window for all, the stream's for those that are read.
                    self.connection.increment_flow_control_window(max(event.flow_controlled_length, 1))
                    if event.stream_id in taking and event.flow_controlled_length:
                        self.connection.increment_flow_control_window(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.ResponseReceived):
                    self.statuses[event.stream_id] = dict(event.headers)[b":status"]
                elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                    self.ended.add(event.stream_id)
            self.send()

    def reset(self, number):
        self.connection.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
        self.send()

    def close(self):
        self.socket.close()


@pytest.mark.parametrize("part, asked", [("mserv1", LARGE + "&formato=ndjson"),
                                         ("mserv2", S + "?ruta=/grande&q=entrada&formato=texto")])
def test_over_http_2_one_is_not_read_others_are_and_a_reset_stops_the_daemon(large, part, asked):
    name, one = identity(), HTTP2(large)
    try:
        paused = one.ask(asked, **{"x-request-id": name})
        one.read_until(lambda: len(one.bodies[paused]) > 60_000)
        other = one.ask(L + "?ruta=/mediana&formato=texto")
        one.read_until(lambda: other in one.ended, taking=[other])
        assert told(one.bodies[other], "texto").total == 5_000
        assert ended_call(large, part, name) is None and paused not in one.ended
        gone = time.time()
        one.reset(paused)
        when, code = until(lambda: ended_call(large, part, name), "the end of the call")
        assert code == 1 and when - gone < 0.1 * NOISE, (code, when - gone)
        again = one.ask(L + "?ruta=/pequena&formato=ndjson")
        one.read_until(lambda: again in one.ended)
        assert told(one.bodies[again], "ndjson").total == 3
    finally:
        one.close()


def test_a_hit_is_not_kept_back_while_others_are_looked_for(large):
    """One of two stands before 200,000 names that take a while, whichever way the walk goes."""
    name = identity()
    asked = target(S, ruta="/", q=f"{SLOW} rara", formato="texto")
    with Reader(large, asked, {"X-Request-Id": name}) as reader:
        assert reader.head().status == 200 and reader.take(1)
        assert ended_call(large, "mserv2", name) is None, "it was kept until the end"
        assert sorted(told(reader.rest(), "texto").entries) == [b"/primera/rara", b"/ultima/rara"]


def test_head_does_not_read_the_folder(large):
    name = identity()
    answer = large.client.ask(LARGE + "&formato=ndjson", {"X-Request-Id": name}, "HEAD")
    assert answer.status == 200
    until(lambda: ended_call(large, "mserv1", name), "the end of the call")
    before = cpu(large.mserv1.pid)
    for _ in range(5):
        large.client.ask(LARGE + "&formato=ndjson", method="HEAD")
    heads, before = cpu(large.mserv1.pid) - before, cpu(large.mserv1.pid)
    large.client.ask(LARGE + "&formato=ndjson")
    assert heads / 5 < (cpu(large.mserv1.pid) - before) / 2, heads


# Bounds

def test_more_streams_than_there_may_be_are_a_503_and_pages_go_on(few):
    with reading(few, LARGE + "&formato=ndjson") as one, \
            reading(few, S + "?ruta=/grande&q=entrada&formato=texto") as other:
        for asked in (LARGE, S + "?ruta=/grande&q=entrada", L + "?ruta=/pequena"):
            for form in FORMS:
                answer = few.client.ask(f"{asked}&formato={form}", ASYNC)
                check_problem(answer, 503, "sobrecarga")
                assert int(answer.one("Retry-After")) >= 1 and not answer.all("Location")
        for asked in (LARGE, S + "?ruta=/grande&q=entrada", LARGE + "&formato=html", LARGE + "&limite=5&formato=ndjson",
                      S + "?ruta=/grande&q=entrada&limite=5&formato=texto"):
            assert few.client.ask(asked).status == 200, asked
        assert few.client.ask("/salud/listo").status == 200
        one.close()
        for form in FORMS:
            until(lambda: few.client.ask(f"{L}?ruta=/pequena&formato={form}").status == 200, "a place that is free again")
        assert counted(other.rest(), "texto") == ENTRIES, "it kept its place all the while"


def test_who_is_refused_again_and_again_fills_no_log(few):
    """200 lines at once and 20 a second, as of other faults of clients."""
    with reading(few, LARGE + "&formato=ndjson"), reading(few, LARGE + "&formato=ndjson"):
        before, begun = few.gateway.said().count(" sobrecarga"), time.monotonic()
        for _ in range(600):
            assert few.client.ask(L + "?ruta=/pequena&formato=texto").status == 503
        lines, took = few.gateway.said().count(" sobrecarga") - before, time.monotonic() - begun
    assert lines <= 200 + 20 * (took + 1), f"{lines} lines in {took} s"


@pytest.mark.parametrize("asked, page", [(LARGE, L), (S + "?ruta=/grande&q=entrada", S + "?q=rara&ruta=/ultima")])
def test_as_many_slow_readers_as_there_may_be_leave_the_daemon_to_others(large, asked, page):
    held = [reading(large, f"{asked}&formato=ndjson") for _ in range(16)]
    try:
        for _ in range(20):
            begun = time.monotonic()
            assert large.client.ask(page).status == 200
            assert large.client.ask("/salud/listo").status == 200
            assert time.monotonic() - begun < 0.2 * NOISE
        check_problem(large.client.ask(asked + "&formato=texto"), 503, "sobrecarga")
        assert [reader.whole for reader in held] == [None] * 16
    finally:
        for reader in held:
            reader.close()


def test_one_address_gets_half_of_the_places(large):
    """As nginx tells it; this machine has all of them."""
    def asked(address):
        connection = fastcgi_client.Connection(f"{large.runtime}/gateway.sock")
        told = [(name, address if name == "REMOTE_ADDR" else value)
                for name, value in fastcgi_client.parameters(LARGE + "&formato=texto")]
        connection.send(fastcgi_client.request(told))
        # The head of the answer; the rest waits.
        return connection, connection.socket.recv(200, socket.MSG_WAITALL)

    until(lambda: under_way(large) == 0, "the end of streams of before")
    with contextlib.ExitStack() as stack:
        def status(address):
            connection, head = asked(address)
            stack.callback(connection.close)
            return head[8:].split()[1]

        assert [status("192.0.2.1") for _ in range(9)] == [b"200"] * 8 + [b"503"]
        assert status("192.0.2.2") == b"200"


def test_places_are_given_back_whatever_becomes_of_a_stream(narrow):
    for turn in range(12):
        form = list(FORMS)[turn % 2]
        reading(narrow, f"{LARGE}&formato={form}").close()
        with Reader(narrow, f"{LARGE}&formato={form}"):
            pass  # Gone before the first byte.
        with reading(narrow, f"{L}?ruta=/pequena&formato={form}", first=1) as reader:
            reader.rest()
        for asked, status in ((f"{L}?ruta=/nada&formato={form}", 404), (f"{L}?limite=0&formato={form}", 400),
                              (f"{LARGE}&orden=natural&formato={form}", 400)):
            until(lambda: narrow.client.ask(asked).status == status, f"{status} for {asked}")
        for _ in range(2):
            until(lambda: narrow.client.ask(f"{LARGE}&formato={form}", method="HEAD").status == 200, "HEAD")
    both = [reading(narrow, LARGE + "&formato=ndjson") for _ in range(2)]
    for reader in both:
        reader.close()


def test_who_does_not_read_at_all_ends_and_nothing_is_held_for_it(narrow):
    pids = (narrow.gateway.pid, narrow.mserv1.pid)
    until(lambda: narrow.client.ask(L + "?ruta=/pequena&formato=ndjson").status == 200, "a place")
    before, name = sum(map(pss, pids)), identity()
    held = [reading(narrow, LARGE + "&formato=ndjson", headers={"X-Request-Id": name + str(n)}) for n in range(2)]
    begun = time.monotonic()
    full = narrow.client.ask(L + "?ruta=/pequena&formato=texto")
    check_problem(full, 503, "sobrecarga")
    most = sum(map(pss, pids))
    until(lambda: narrow.client.ask(L + "?ruta=/pequena&formato=texto").status == 200, "their places")
    took = time.monotonic() - begun
    assert 0.5 < took < 1 * NOISE + 2, took
    assert max(most, sum(map(pss, pids))) - before < 32 << 10
    # Both, before anything is read again.
    for number in range(2):
        until(lambda: name + str(number) in narrow.gateway.said(), "a line in the log")
    for reader in held:
        assert not has_end(reader.rest())
        reader.close()


def test_metrics_tell_how_streams_end(narrow):
    def ended(outcome):
        return narrow.metrics()[f'pasarela_streams_total{{outcome="{outcome}"}}']

    def one_more(outcome, count):
        until(lambda: ended(outcome) == count + 1, f"a stream that is {outcome}")
        until(lambda: under_way(narrow) == 0, "its place")

    until(lambda: under_way(narrow) == 0, "the end of streams of before")
    before = {outcome: ended(outcome) for outcome in ("whole", "left", "stalled", "cut_off")}
    assert narrow.client.ask(L + "?ruta=/pequena&formato=ndjson").status == 200
    one_more("whole", before["whole"])
    with reading(narrow, LARGE + "&formato=ndjson"):
        assert under_way(narrow) == 1
    one_more("left", before["left"])
    with reading(narrow, LARGE + "&formato=ndjson"):
        one_more("stalled", before["stalled"])
    with reading(narrow, LARGE + "&formato=ndjson"):
        narrow.mserv1.end(9)
        try:
            one_more("cut_off", before["cut_off"])
        finally:
            narrow.start("mserv1")
    assert {outcome: ended(outcome) - count for outcome, count in before.items()} == dict.fromkeys(before, 1)


def test_a_streams_duration_is_the_time_to_its_first_byte(few):
    """How long its client takes to read it says nothing about the service."""
    def told_of():
        found = {name: value for name, value in few.metrics().items() if "/listar_archivos" in name}
        return [sum(value for name, value in found.items() if name.startswith(f"pasarela_request_duration_seconds_{kind}"))
                for kind in ("count", "sum")]

    until(lambda: under_way(few) == 0, "the end of streams of before")
    before = told_of()
    with reading(few, LARGE + "&formato=ndjson") as reader:
        time.sleep(1)  # It is read slowly.
        assert counted(reader.rest(), "ndjson") == ENTRIES
    until(lambda: under_way(few) == 0, "its end")
    count, seconds = (after - earlier for after, earlier in zip(told_of(), before))
    assert count == 1 and seconds < 0.05 * NOISE, (count, seconds)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("asked", [LARGE, S + "?ruta=/grande&q=entrada"])
def test_an_order_takes_memory_which_is_bounded(narrow, form, asked):
    for order in ("orden=natural", "orden=-natural", "orden=nombre", "orden=-nombre", "directorios_primero=true"):
        for method in ("GET", "HEAD"):
            answer = narrow.client.ask(f"{asked}&{order}&formato={form}", method=method)
            assert answer.status == 400, (answer.status, order)
            if method == "GET":
                check_problem(answer, 400, "valor_invalido", "orden")
        small = narrow.client.ask(f"{asked.replace('grande', 'pequena')}&{order}&formato={form}")
        assert told(small.body, form).total == 3
    for more in ("&limite=1000", "&limite=5&orden=-nombre"):
        assert told(narrow.client.ask(f"{asked}{more}&formato={form}").body, form).cursor
    assert narrow.client.ask(asked + "&orden=nombre").status == 200, "pages of JSON hold a page only"
    assert counted(narrow.client.ask(f"{asked}&formato={form}").body, form) == ENTRIES


NAMED = LARGE + "&orden=nombre&formato=ndjson"


def test_an_order_takes_half_of_the_memory_at_most(place, large_root):
    """64 MiB would do for this one."""
    with Stack(place, large_root, "half", SORT_BYTES_MAX=64 << 20) as stack:
        check_problem(stack.client.ask(NAMED), 400, "valor_invalido", "orden")
        assert stack.client.ask(L + "?ruta=/mediana&orden=nombre&formato=texto").status == 200


def test_orders_share_their_memory_and_a_reload_leaves_them_what_they_have(place, large_root):
    """What others hold just now is an overload, not the request's fault."""
    settings = f"{place}/sorting.conf"
    with open(settings, "w", encoding="utf-8") as file:
        file.write(f"PASARELA_SORT_BYTES_MAX={96 << 20}\n")
    with Stack(place, large_root, "sorting", CONFIGURATION_FILE=settings) as stack:
        def refused():
            for other in (NAMED, LARGE + "&orden=-nombre&formato=texto"):
                answer = stack.client.ask(other)
                check_problem(answer, 503, "sobrecarga")
                assert int(answer.one("Retry-After")) >= 1
            for other in (L + "?ruta=/pequena&orden=nombre&formato=texto", LARGE + "&orden=nombre", LARGE + "&formato=texto"):
                assert stack.client.ask(other).status == 200

        with reading(stack, NAMED) as one, reading(stack, NAMED) as other:
            refused()
            stack.mserv1.send(signal.SIGHUP)
            until(lambda: "EVENT_NAME=reloaded" in stack.mserv1.said(), "the reload")
            refused()
            for reader in (one, other):
                assert counted(reader.rest(), "ndjson") == ENTRIES
        until(lambda: stack.client.ask(NAMED).status == 200, "memory that is free again")


# Absent, hung, killed

@pytest.fixture
def absent(narrow):
    """mserv1 is not there."""
    narrow.mserv1.end()
    yield narrow
    if not narrow.mserv1.runs:
        narrow.start("mserv1")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("more", ["", "&limite=5", "&orden=natural", "&encolar=no", "&encolar=si"])
@pytest.mark.parametrize("prefer", [None, "respond-async", "wait=0", "respond-async, wait=0"])
def test_absent_streams_never_become_tickets(absent, form, more, prefer):
    given = {} if prefer is None else {"Prefer": prefer}
    for method in ("GET", "HEAD"):
        begun = time.monotonic()
        answer = absent.client.ask(f"{L}?ruta=/pequena{more}&formato={form}", given, method)
        took = time.monotonic() - begun
        assert answer.status == 503 and int(answer.one("Retry-After")) >= 1 and not answer.all("Location")
        if method == "GET":
            check_problem(answer, 503, "servicio_ausente")
        assert "wait" in (prefer or "") or 0.09 < took < 0.1 * NOISE + 2, took
        assert "respond-async" not in (answer.maybe("Preference-Applied") or "")
    assert told(absent.client.ask(f"{S}?ruta=/pequena&q=entrada&formato={form}").body, form).total == 3


def test_a_daemon_that_comes_back_within_the_patience_answers(absent):
    got = []

    def ask(stop, number):
        form, one = list(FORMS)[number % 2], absent.client.another()
        more = "&limite=5" if number > 1 else ""
        got.append(told(one.ask(f"{L}?ruta=/pequena&formato={form}{more}", {"Prefer": "wait=20"}).body, form).total)
        one.close()

    with beside(ask, threads=4):
        until(lambda: absent.metrics()['pasarela_requests_waiting{daemon="mserv1"}'] >= 1, "someone to wait")
        absent.start("mserv1")
        until(lambda: len(got) == 4, "those who waited")
    assert got == [3] * 4


def test_who_waits_for_a_daemon_holds_no_place(absent):
    until(lambda: under_way(absent) == 0, "the end of streams of before")
    waiting = [Reader(absent, L + "?ruta=/pequena&formato=ndjson", {"Prefer": "wait=30"}) for _ in range(4)]
    try:
        until(lambda: absent.metrics()['pasarela_requests_waiting{daemon="mserv1"}'] >= 4, "four to wait")
        assert under_way(absent) == 0
        with reading(absent, S + "?ruta=/grande&q=entrada&formato=ndjson"), \
                reading(absent, S + "?ruta=/grande&q=entrada&formato=texto"):
            assert under_way(absent) == 2
    finally:
        for one in waiting:
            one.close()


@pytest.fixture
def hung(narrow):
    yield narrow
    narrow.mserv1.thaw()
    narrow.daemon_is("mserv1", "bien")


@pytest.mark.parametrize("more", ["", "&limite=5"])
@pytest.mark.parametrize("form", FORMS)
def test_a_daemon_that_says_nothing_is_a_504_before_the_first_byte(hung, form, more):
    hung.mserv1.freeze()
    begun = time.monotonic()
    check_problem(hung.client.ask(f"{L}?ruta=/pequena&formato={form}{more}"), 504, "plazo_vencido")
    assert 0.9 < time.monotonic() - begun < 1 * NOISE + 2


def test_a_daemon_that_says_nothing_more_ends_the_stream_without_its_end(hung):
    with reading(hung, LARGE + "&formato=ndjson") as reader:
        hung.mserv1.freeze()
        begun = time.monotonic()
        assert not has_end(reader.rest())
        assert 0.9 < time.monotonic() - begun < 1 * NOISE + 4
    hung.mserv1.thaw()
    with reading(hung, L + "?ruta=/pequena&formato=ndjson", first=1) as reader:
        assert has_end(reader.rest())


@pytest.mark.parametrize("part, asked", [("mserv1", LARGE), ("mserv2", S + "?ruta=/grande&q=entrada")])
@pytest.mark.parametrize("form", FORMS)
def test_a_daemon_killed_in_the_middle_leaves_no_end_line(narrow, part, asked, form):
    name = identity()
    with reading(narrow, f"{asked}&formato={form}", headers={"X-Request-Id": name}) as reader:
        assert reader.response.status == 200
        narrow.parts[part].end(9)
        try:
            assert not has_end(reader.rest())
            until(lambda: name in narrow.gateway.said(), "a line in the gateway's log")
            assert narrow.client.ask("/salud").status == 200
        finally:
            narrow.start(part)
    assert narrow.gateway.runs
    with reading(narrow, f"{asked}&formato={form}") as reader:
        assert counted(reader.rest(), form) == ENTRIES


def test_a_gateway_killed_in_the_middle_leaves_no_end_line(narrow):
    with reading(narrow, LARGE + "&formato=texto") as reader:
        narrow.gateway.end(9)
        try:
            assert not has_end(reader.rest())
        finally:
            narrow.start("gateway")
            narrow.daemon_is("mserv1", "bien")


@pytest.mark.parametrize("part", ["mserv1", "mserv2", "gateway"])
def test_who_does_not_read_holds_up_no_stop(narrow, part):
    asked = S + "?ruta=/grande&q=entrada" if part == "mserv2" else LARGE
    with reading(narrow, asked + "&formato=ndjson") as reader:
        assert narrow.parts[part].end() == 0
        narrow.start(part)
        assert not has_end(reader.rest())
    narrow.daemon_is("mserv1", "bien")
    with reading(narrow, L + "?ruta=/pequena&formato=ndjson", first=1) as reader:
        assert has_end(reader.rest())
