"""Tickets from outside: each row's or test's name is the sentence of the contract that it proves.

Every world (all is well, a daemon is absent, a small backlog, short lives) is a Pasarela of these tests' own.
"""

import email.utils
import os
import re
import subprocess
import threading
import time
from concurrent import futures
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest

import oracle
from chromium import Chromium
from client import check_problem, target
from failing_daemon import FailingDaemon
from html_page import Page
from stack import HEX, Stack, accepted, answered, beside, check_listing, check_search, plain_tree, until
from stack import folder as own_folder

L, S, T = "/listar_archivos", "/buscar_archivos", "/solicitudes/"
UNKNOWN = T + "0123456789abcdef" * 2
HTML = {"Accept": "text/html"}
ASYNC = {"Prefer": "respond-async"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def moment(text):
    assert MOMENT.fullmatch(text), text
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def close_to_now(when, seconds=30):
    return abs((datetime.now(timezone.utc) - when).total_seconds()) < seconds


def ticket(answer, state=("en_espera", "en_proceso"), status=202):
    """The document of a ticket: its form and what it says."""
    assert answer.status == status, (answer.status, answer.body[:400])
    document = answer.json()
    assert set(document) == {"solicitud"}, document
    told = document["solicitud"]
    assert set(told) == {"id", "estado", "creada", "caduca"} | ({"problema"} & set(told)), told
    assert HEX.fullmatch(told["id"]) and told["estado"] in state, told
    assert ("problema" in told) == (told["estado"] == "fallida"), told
    assert moment(told["creada"]) < moment(told["caduca"]), told
    if told["estado"] in ("en_espera", "en_proceso"):
        assert int(answer.one("Retry-After")) >= 1
    return told


def applied(answer):
    """The preferences that were applied, in lower case."""
    value = answer.maybe("Preference-Applied")
    return set() if value is None else {part.strip().lower() for part in value.split(",")}


# The worlds

@pytest.fixture(scope="module")
def place():
    with own_folder() as path:
        yield path


@pytest.fixture(scope="module")
def served(place):
    path = f"{place}/root"
    os.makedirs(f"{path}/cerrada")
    plain_tree(path)
    os.chmod(f"{path}/cerrada", 0)
    yield path
    os.chmod(f"{path}/cerrada", 0o700)


@pytest.fixture(scope="module")
def truth(served):
    return oracle.read(served.encode())


@pytest.fixture(scope="module")
def well(place, served):
    with Stack(place, served, "well") as made:
        yield made


@pytest.fixture(scope="module")
def shaky(place, served):
    """Patience 0: an absent daemon is a ticket at once."""
    with Stack(place, served, "shaky", PATIENCE=0) as made:
        yield made


@pytest.fixture
def absent(shaky):
    """mserv1 is not there; `shaky.start("mserv1")` in the test brings it back."""
    shaky.mserv1.end()
    yield shaky
    if not shaky.mserv1.runs:
        shaky.start("mserv1")


@pytest.fixture
def nobody(absent):
    """Neither daemon is there."""
    absent.mserv2.end()
    yield absent
    if not absent.mserv2.runs:
        absent.start("mserv2")


# All is well

@dataclass
class Row:
    sentence: str
    target: str
    status: int = 200
    codigo: object = None
    parametro: str = None
    method: str = "GET"
    headers: dict = field(default_factory=dict)
    also: object = None


def prefers(text, *expected):
    def check(answer):
        assert applied(answer) == set(expected), answer.headers

    return Row(f"`Prefer: {text}` does {', '.join(expected) or 'nothing'}", L, headers={"Prefer": text}, also=check)


def allows(*expected):
    def check(answer):
        assert sorted(re.split(", *", answer.one("Allow"))) == sorted(expected), answer.headers
    return check


WELL = [
    *[Row(f"Unknown or malformed: 404 ({path})", path, 404, "solicitud_inexistente")
      for path in (UNKNOWN, UNKNOWN + "/resultado", UNKNOWN.replace("a", "A"), UNKNOWN[:-1], UNKNOWN + "0", T + "x",
                   T + "g" * 32, T + "-" * 32, T + "%C3%B1" * 16, T + "x/resultado",
                   UNKNOWN[:-1] + "/resultado")],
    *[Row(f"a path that is none ({path})", path, 404, "ruta_http_desconocida")
      for path in ("/solicitudes", "/solicitudes/", UNKNOWN + "/", UNKNOWN + "/resultado/", UNKNOWN + "/otra",
                   UNKNOWN + "/resultado/x", "/solicitud/" + "0" * 32, "/SOLICITUDES/" + "0" * 32)],
    *[Row(f"another method: 405 with `Allow` ({method})", UNKNOWN, 405, "metodo_no_permitido", method=method,
          also=allows("GET", "HEAD", "DELETE")) for method in ("POST", "PUT", "PATCH", "OPTIONS", "FOO")],
    *[Row(f"another method: 405 with `Allow` ({method} of an answer)", UNKNOWN + "/resultado", 405,
          "metodo_no_permitido", method=method, also=allows("GET", "HEAD")) for method in ("POST", "PUT", "DELETE")],
    *[Row(f"only tickets can be deleted ({path})", path, 405, "metodo_no_permitido", method="DELETE",
          also=allows("GET", "HEAD")) for path in (L, S, "/", "/salud", "/problemas/no_existe")],
    Row("`DELETE` of what is not there: 404", UNKNOWN, 404, "solicitud_inexistente", method="DELETE"),
    *[Row(f"Every path refuses unknown parameters ({method} {path})", path + "?nada=1", 400, "parametro_desconocido",
          "nada", method=method)
      for path, method in ((UNKNOWN, "GET"), (UNKNOWN + "/resultado", "GET"), (UNKNOWN, "DELETE"))],
    *[Row(f"parameters of a list are none of a ticket ({name})", f"{UNKNOWN}?{name}={value}", 400,
          "parametro_desconocido", name)
      for name, value in (("ruta", "/"), ("limite", "5"), ("encolar", "no"), ("cursor", "x"))],
    Row("nothing fits: 406", UNKNOWN, 406, "no_aceptable", headers={"Accept": "image/png"}),
    *[Row(f"`encolar={value}`", path + f"encolar={value}") for value in ("si", "no") for path in (L + "?", S + "?q=f&")],
    *[Row(f"`encolar={value}`: 400 that names it", path + f"encolar={value}", 400, "valor_invalido", "encolar")
      for value in ("", "SI", "true", "false", "0", "n", "no,si") for path in (L + "?", S + "?q=f&")],
    Row("`encolar` twice", L + "?encolar=no&encolar=no", 400, "parametro_repetido", "encolar"),
    *[Row(f"/problemas/{codigo}", f"/problemas/{codigo}") for codigo in
      ("solicitud_inexistente", "solicitud_pendiente", "solicitud_caducada", "backlog_lleno")],
    prefers("wait=5", "wait=5"), prefers("Wait=5", "wait=5"), prefers("wait=0", "wait=0"),
    prefers("wait=31", "wait=30"), prefers("wait=99999999999999999999", "wait=30"),
    prefers("foo, wait=7; bar=\"x, y\", depth=2", "wait=7"), prefers("wait=2, wait=9", "wait=2"),
    *[prefers(text) for text in ("wait", "wait=", "wait=-1", "wait=1.5", "wait=x", "wait=+5", ",,,", "=", "\"",
                                 "handling=lenient", "return=minimal", "respond-asynchronous", "x" * 4000)],
]


@pytest.mark.parametrize("row", WELL, ids=lambda row: f"{row.sentence} {row.method} {row.target}"[:120])
def test_while_all_is_well(well, row):
    answer = well.client.ask(row.target, row.headers, method=row.method)
    assert answer.status == row.status, (answer.status, answer.body[:400])
    if row.codigo:
        check_problem(answer, row.status, row.codigo, row.parametro)
    if row.also:
        row.also(answer)


def test_openapi_tells_of_tickets(well):
    paths = well.client.ask("/openapi.json").json()["paths"]
    assert {"get", "delete"} <= set(paths[T + "{id}"]), paths.keys()
    assert "get" in paths[T + "{id}/resultado"]
    assert "202" in paths[L]["get"]["responses"] and "202" in paths[S]["get"]["responses"]
    assert {"encolar"} <= {p.get("name") or p.get("$ref", "").rpartition("/")[2] for p in paths[L]["get"]["parameters"]}


@pytest.mark.parametrize("asked", [L + "?ruta=/carpeta-1", S + "?q=f1"])
@pytest.mark.parametrize("prefer", ["respond-async", "Respond-Async", "foo, respond-async; x=1", "respond-async, wait=x"])
def test_respond_async_is_a_ticket(well, asked, prefer):
    answer = well.client.ask(asked, {"Prefer": prefer})
    place = accepted(answer)
    told = ticket(answer, state=("en_espera", "en_proceso", "lista"))
    assert place == T + told["id"] and close_to_now(moment(told["creada"]))
    assert moment(told["caduca"]) - moment(told["creada"]) == timedelta(days=1)
    assert "respond-async" in applied(answer) and int(answer.one("Retry-After")) >= 1
    assert answered(well.client, place).body == well.client.ask(asked).body


@pytest.mark.parametrize("prefer", ["respond-async, wait=10", "wait=10, respond-async"])
def test_respond_async_with_wait_is_the_answer_if_it_comes_in_time(well, truth, prefer):
    answer = well.client.ask(L + "?ruta=/carpeta-1", {"Prefer": prefer})
    assert answer.status == 200 and "wait=10" in applied(answer), answer.headers
    check_listing(answer.json(), truth, "/carpeta-1", 100)


@pytest.mark.parametrize("asked, method", [
    (L, "HEAD"), (S + "?q=f", "HEAD"), (L + "?encolar=no", "GET"), (S + "?q=f&encolar=no", "GET"), ("/salud", "GET"),
    ("/salud/listo", "GET"), ("/openapi.json", "GET"), ("/problemas/no_existe", "GET")])
def test_what_never_becomes_a_ticket_is_answered_directly(well, asked, method):
    answer = well.client.ask(asked, ASYNC, method=method)
    assert answer.status == 200 and not applied(answer), answer.headers


@pytest.mark.parametrize("formato", ["ndjson", "texto"])
def test_streams_never_become_tickets(well, absent, formato):
    for client in (well.client, absent.client):
        assert client.ask(f"{L}?formato={formato}", ASYNC).status != 202


@pytest.mark.parametrize("asked, codigo", [
    ("limite=0", "valor_invalido"), ("nada=1", "parametro_desconocido"), ("cursor=x", "cursor_invalido"),
    ("ruta=/a%00b", "valor_invalido")])
def test_a_request_that_is_wrong_in_itself_is_told_so_and_is_no_ticket(well, absent, asked, codigo):
    for client in (well.client, absent.client):
        check_problem(client.ask(f"{L}?{asked}", ASYNC), 400, codigo, asked.partition("=")[0])


def test_encolar_may_change_between_pages(well):
    first = well.client.ask(L + "?ruta=/carpeta-1&limite=5&encolar=no")
    assert b"encolar=no" in first.next
    for asked in (first.next, first.next.replace(b"encolar=no", b"encolar=si"), first.next.replace(b"&encolar=no", b"")):
        assert well.client.ask(asked).status == 200, asked


# A daemon is absent

@pytest.mark.parametrize("headers", [{}, {"Prefer": "wait=0"}, ASYNC, {"Accept": "application/json"}])
def test_202_accepted_with_location_retry_after_and_a_document_that_is_no_list(absent, truth, headers):
    answer = absent.client.ask(L + "?ruta=/carpeta-2", headers)
    place, told = accepted(answer), ticket(answer)
    assert place == T + told["id"] and int(answer.one("Retry-After")) >= 1
    assert close_to_now(moment(told["creada"]))
    assert moment(told["caduca"]) - moment(told["creada"]) == timedelta(days=1)
    again = absent.client.ask(place)
    assert ticket(again, status=200) == told | {"estado": again.json()["solicitud"]["estado"]}
    absent.start("mserv1")
    check_listing(answered(absent.client, place).json(), truth, "/carpeta-2", 100)


def test_patience_first_about_a_second(well):
    well.mserv1.end()
    try:
        begun = time.monotonic()
        place = accepted(well.client.ask(L))
        assert 0.9 < time.monotonic() - begun < 8
        begun = time.monotonic()
        answer = well.client.ask(L, {"Prefer": "wait=2"})
        assert accepted(answer) and 1.9 < time.monotonic() - begun < 9
        assert "wait=2" in applied(answer), answer.headers
    finally:
        well.start("mserv1")
    assert answered(well.client, place).status == 200


def test_the_other_daemon_answers_meanwhile(absent, truth):
    check_search(absent.client.ask(S + "?q=f3-&ruta=/carpeta-3").json(), truth, "/carpeta-3", "f3-", 100)


def test_search_becomes_a_ticket_as_a_list_does(shaky, truth):
    shaky.mserv2.end()
    try:
        place = accepted(shaky.client.ask(S + "?q=f3-1&ruta=/carpeta-3&limite=7"))
    finally:
        shaky.start("mserv2")
    check_search(answered(shaky.client, place).json(), truth, "/carpeta-3", "f3-1", 7)


@pytest.mark.parametrize("asked, method", [(L, "HEAD"), (S + "?q=f", "HEAD"), (L + "?encolar=no", "GET"),
                                           (S + "?q=f&encolar=no", "GET"), (L + "?encolar=no&formato=html", "GET")])
def test_head_and_encolar_no_are_a_503(nobody, asked, method):
    answer = nobody.client.ask(asked, ASYNC, method=method)
    assert answer.status == 503 and int(answer.one("Retry-After")) >= 1
    assert not answer.all("Location") and not applied(answer)
    if answer.body and "html" not in asked:
        check_problem(answer, 503, "servicio_ausente")


def test_the_page_for_people_is_a_page_whatever_happens(absent):
    answer = absent.client.ask("/", HTML)
    page = Page(answer.html())
    assert answer.status in (202, 503), answer.status
    if answer.status == 202:
        place = accepted(answer)
        absent.start("mserv1")
        assert "carpeta-1" in answered(absent.client, place).html()
    assert page.one("h1")


def test_not_yet_409(absent):
    place = accepted(absent.client.ask(L))
    for _ in range(2):
        check_problem(absent.client.ask(place + "/resultado"), 409, "solicitud_pendiente")
    assert absent.client.ask(place + "/resultado", method="HEAD").status == 409


def test_get_of_a_ticket_that_waits_and_its_head(absent):
    place = accepted(absent.client.ask(L))
    told = ticket(absent.client.ask(place), status=200)
    head = absent.client.ask(place, method="HEAD")
    assert head.status == 200 and head.body == b"" and told["id"] in place
    assert int(head.one("Retry-After")) >= 1


def test_prefer_wait_waits_for_the_change(absent, truth):
    place = accepted(absent.client.ask(L + "?ruta=/carpeta-4"))
    begun = time.monotonic()
    answer = absent.client.ask(place, {"Prefer": "wait=1"})
    assert 0.9 < time.monotonic() - begun < 8 and answer.status == 200 and applied(answer) == {"wait=1"}
    got = []

    def wait(stop, number):
        begun, one = time.monotonic(), absent.client.another()
        got.append((one.ask(place, {"Prefer": "wait=30"}), time.monotonic() - begun))
        one.close()

    with beside(wait, threads=3):
        absent.start("mserv1")
        until(lambda: len(got) == 3, "those who wait for the ticket")
    for answer, seconds in got:
        # en_espera → en_proceso is a change as well.
        assert answer.status in (200, 303) and seconds < 20, (answer, seconds)
    check_listing(answered(absent.client, place).json(), truth, "/carpeta-4", 100)


DIRECT = [
    ("a page of JSON", L + "?ruta=/carpeta-3", {}, 200),
    ("a page with a Link and a cursor", L + "?ruta=/carpeta-3&limite=4&orden=-natural&total=exacto", {}, 200),
    ("another language", L + "?ruta=/carpeta-3&limite=4", {"Accept-Language": "en"}, 200),
    ("a page for people", L + "?ruta=/carpeta-3&limite=4", HTML, 200),
    ("a page for people by formato", L + "?ruta=/carpeta-3&limite=4&formato=html&encolar=si", {"Accept-Language": "en"}, 200),
    ("a file's own entry", L + "?ruta=/carpeta-3/f3-1.txt", {}, 200),
    ("a 404", L + "?ruta=/no/hay", {}, 404),
    ("a 404 in English", L + "?ruta=/no/hay", {"Accept-Language": "en"}, 404),
    ("a 404 for people", L + "?ruta=/no/hay", HTML, 404),
    ("a 400 of the daemon", L + "?ruta=/carpeta-3/f3-1.txt/", {}, 400),
    ("a 403", L + "?ruta=/cerrada", {}, 403),
]
OWN = {"x-request-id", "date", "connection", "content-location", "pasarela-respondida", "server", "keep-alive",
       "transfer-encoding", "content-length"}


def plain(answer):
    """Headers and body without what is each answer's own."""
    body = re.sub(rb"urn:uuid:[0-9a-f-]{36}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", b"ID", answer.body)
    return sorted((n, v) for n, v in answer.headers if n not in OWN), body


@pytest.mark.parametrize("what, asked, headers, status", DIRECT, ids=[row[0] for row in DIRECT])
def test_the_answer_is_status_headers_and_body_as_the_direct_request_would_have_given(absent, what, asked, headers, status):
    place = accepted(absent.client.ask(asked, headers))
    before = datetime.now(timezone.utc)
    absent.start("mserv1")
    # Whoever fetches it may prefer what they like: it is the answer to the request that was asked.
    answer = answered(absent.client, place)
    direct = absent.client.ask(asked, headers)
    assert answer.status == direct.status == status
    assert plain(answer) == plain(direct)
    assert answer.one("Content-Location") == asked
    told = answer.one("Pasarela-Respondida")
    when = moment(told) if MOMENT.fullmatch(told) else email.utils.parsedate_to_datetime(told)
    assert before - timedelta(seconds=2) <= when <= datetime.now(timezone.utc) + timedelta(seconds=1), told
    head = absent.client.ask(place + "/resultado", method="HEAD")
    assert head.status == status and head.body == b"" and head.one("Content-Location") == asked
    again = absent.client.ask(place + "/resultado", HTML)
    assert plain(again) == plain(answer), "an answer stays as it is"


def test_lista_is_a_303_and_caduca_is_then_a_day_after_the_answer(absent):
    place = accepted(absent.client.ask(L))
    absent.start("mserv1")
    answered(absent.client, place)
    answer = absent.client.ask(place)
    assert answer.status == 303 and answer.one("Location") == place + "/resultado"
    head = absent.client.ask(place, method="HEAD")
    assert head.status == 303 and head.one("Location") == place + "/resultado"


def curl(stack, asked, *options):
    done = subprocess.run(
        ["curl", "-sS", "-L", "--noproxy", "*", "--cacert", stack.certificate, "--max-time", "20", "-w",
         "\n%{http_code} %{url_effective} %{num_redirects}", *options, stack.url + asked],
        capture_output=True, text=True, check=True)
    body, _, last = done.stdout.rpartition("\n")
    return body, last.split()


def test_curl_l_ends_at_the_answer(absent):
    place = accepted(absent.client.ask(L + "?ruta=/carpeta-5"))
    assert curl(absent, place)[1] == ["200", absent.url + place, "0"]
    absent.start("mserv1")
    answered(absent.client, place)
    body, (status, url, redirects) = curl(absent, place)
    assert (status, url, redirects) == ("200", absent.url + place + "/resultado", "1")
    assert body == absent.client.ask(L + "?ruta=/carpeta-5").body.decode()


@pytest.mark.parametrize("ready", [False, True])
def test_delete_is_a_204_then_404(absent, ready):
    place = accepted(absent.client.ask(L))
    if ready:
        absent.start("mserv1")
        answered(absent.client, place)
    gone = absent.client.ask(place, method="DELETE")
    assert gone.status == 204 and gone.body == b""
    for asked, method in ((place, "GET"), (place + "/resultado", "GET"), (place, "DELETE"), (place, "HEAD")):
        answer = absent.client.ask(asked, method=method)
        assert answer.status == 404, (asked, method)
    if not ready:
        later = accepted(absent.client.ask(L))
        absent.start("mserv1")
        answered(absent.client, later)
    check_problem(absent.client.ask(place), 404, "solicitud_inexistente")


def test_a_ticket_speaks_the_readers_language(absent):
    place = accepted(absent.client.ask(L))
    texts = []
    for language in ("es", "en"):
        given = {"Accept-Language": language}
        problem = check_problem(absent.client.ask(place + "/resultado", given), 409, "solicitud_pendiente")
        page = Page(absent.client.ask(place, given | HTML).html())
        assert page.one("html").get("lang") == language
        texts.append((problem["detail"], page.root.text))
    assert texts[0][0] != texts[1][0] and texts[0][1] != texts[1][1]


def refreshes(answer):
    """The seconds after which a page asks again, and where; by header or by meta."""
    told = answer.maybe("Refresh")
    if told is None:
        found = [m.get("content") for m in Page(answer.html()).every("meta")
                 if (m.get("http-equiv") or "").lower() == "refresh"]
        assert len(found) == 1, found
        told = found[0]
    seconds, _, place = told.partition(";")
    return int(seconds), re.sub(r"^\s*url\s*=\s*", "", place, flags=re.I).strip()


def test_for_a_browser_the_ticket_is_a_page_that_refreshes_itself(absent):
    first = absent.client.ask(L + "?ruta=/carpeta-6", HTML)
    place = accepted(first)
    seconds, where = refreshes(first)
    assert 1 <= seconds <= 30 and where in (place, absent.url + place), where
    assert any(a.get("href") == place for a in Page(first.html()).every("a")), "for who has refreshing switched off"
    second = absent.client.ask(place, HTML)
    assert second.status == 200
    seconds, where = refreshes(second)
    assert 1 <= seconds <= 30 and where in ("", place, absent.url + place), where
    absent.start("mserv1")
    answered(absent.client, place)


def test_in_a_browser_the_ticket_ends_at_the_answer(absent, tmp_path):
    browser = Chromium(str(tmp_path))
    try:
        browser.open(absent.url + L + "?ruta=/carpeta-6")
        assert browser.entries == [], browser.entries
        assert browser.value("getComputedStyle(document.body).fontFamily"), "its style is there"
        assert "f6-1.txt" not in browser.value("document.body.innerText")
        until(lambda: browser.value("location.pathname").startswith(T), "the ticket's own page", pause=0.1)
        absent.start("mserv1")
        until(lambda: browser.value("location.pathname").endswith("/resultado")
              and browser.value("document.readyState") == "complete", "the answer", pause=0.1)
        assert "f6-1.txt" in browser.value("document.querySelector('tbody').innerText")
    finally:
        browser.close()


def test_tickets_outlive_a_killed_gateway(absent, truth):
    places = [(n, accepted(absent.client.ask(target(L, ruta=f"/carpeta-{n}", limite=50 + n)))) for n in range(8)]
    absent.gateway.end(9)
    absent.start("gateway")
    for _, place in places:
        ticket(absent.client.ask(place), status=200)
    absent.start("mserv1")
    for n, place in places:
        answer = answered(absent.client, place)
        check_listing(answer.json(), truth, f"/carpeta-{n}", 50 + n)
    absent.gateway.end(9)
    absent.mserv1.end()
    absent.start("gateway")
    for n, place in places:
        assert absent.client.ask(place).status == 303
        check_listing(absent.client.ask(place + "/resultado").json(), truth, f"/carpeta-{n}", 50 + n)


def traced(stack, work, until_seen):
    """The lines that strace writes of the gateway's writes and syncs while `work` runs, up to one that has a text."""
    lines = []
    with subprocess.Popen(
            ["strace", "-f", "-y", "-s", "64", "-e", "trace=fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg", "-p",
             str(stack.gateway.pid)], stderr=subprocess.PIPE, text=True) as strace:
        assert "attached" in strace.stderr.readline()
        try:
            work()
            while until_seen not in (lines[-1] if lines else ""):
                assert (line := strace.stderr.readline()), lines[-20:]
                lines.append(line)
        finally:
            strace.terminate()
    return lines


def test_a_ticket_is_on_the_disk_before_the_202_leaves(absent):
    lines = traced(absent, lambda: accepted(absent.client.ask(L)), "Status: 202")
    written = [n for n, line in enumerate(lines) if "pwrite64" in line and "backlog.sqlite-wal" in line]
    synced = [n for n, line in enumerate(lines)
              if "fdatasync" in line and ("backlog.sqlite-wal" in line or "resumed" in line) and "= 0" in line]
    assert written and synced and written[-1] < synced[-1] < len(lines) - 1, lines


def test_while_all_is_well_nothing_is_written_or_synced(well):
    lines = traced(well, lambda: well.client.ask(L), "Status: 200")
    assert not [line for line in lines if "sync" in line or "backlog" in line], lines


def test_en_proceso_and_a_hung_daemon_loses_nothing(shaky, truth):
    """A stopped daemon is there, so the ticket is called for: what it says meanwhile is one of the two."""
    shaky.mserv1.freeze()
    try:
        place = accepted(shaky.client.ask(L + "?ruta=/carpeta-7", ASYNC))
        assert ticket(shaky.client.ask(place), status=200)
    finally:
        shaky.mserv1.thaw()
    check_listing(answered(shaky.client, place).json(), truth, "/carpeta-7", 100)


def test_ids_are_random(absent):
    places = {accepted(absent.client.ask(L)) for _ in range(50)}
    assert len(places) == 50 and len({place[len(T):len(T) + 4] for place in places}) > 40


def test_readiness_tells_of_the_backlog(shaky):
    document = shaky.client.ask("/salud/listo").json()
    assert document["partes"]["backlog"]["estado"] == "bien", document


# Bounds

def test_backlog_lleno_in_number(place, served):
    """Full: 503 `backlog_lleno` with `Retry-After`, nothing half-written; those who are in are served."""
    with Stack(place, served, "full", PATIENCE=0, BACKLOG_TICKETS=3) as stack:
        stack.mserv1.end()
        answers, lock = [], threading.Lock()

        def ask(number):
            one = stack.client.another()
            got = [one.ask(target(L, ruta=f"/carpeta-{number}", limite=5)) for _ in range(3)]
            one.close()
            with lock:
                answers.extend(got)

        with futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(8)))
        places = [accepted(answer) for answer in answers if answer.status == 202]
        full = [answer for answer in answers if answer.status != 202]
        assert len(places) == 3 and len(full) == 21, [answer.status for answer in answers]
        for answer in full:
            check_problem(answer, 503, "backlog_lleno")
            assert int(answer.one("Retry-After")) >= 1
        check_problem(stack.client.ask(L, ASYNC), 503, "backlog_lleno")
        assert stack.client.ask(S + "?q=f").status == 200, "the other daemon does not mind"
        stack.gateway.end(9)
        stack.start("gateway")
        for path in places:
            assert stack.client.ask(path).status == 200
        check_problem(stack.client.ask(L), 503, "backlog_lleno")
        assert stack.client.ask(places.pop(), method="DELETE").status == 204
        places.append(accepted(stack.client.ask(L)))
        check_problem(stack.client.ask(L), 503, "backlog_lleno")
        stack.start("mserv1")
        for path in places:
            assert answered(stack.client, path).status == 200


def test_backlog_lleno_in_bytes(place, served):
    """Results count, too: what is answered takes place until it is deleted or expires."""
    os.makedirs(f"{served}/llena")
    for number in range(1000):
        os.mknod(f"{served}/llena/{number}{'x' * 200}")
    with Stack(place, served, "bytes", PATIENCE=0, BACKLOG_BYTES=1 << 20) as stack:
        asked = L + "?ruta=/llena&limite=1000"
        size, places, answer = len(stack.client.ask(asked).body), [], None
        places += [accepted(stack.client.ask(asked, ASYNC)) for _ in range((1 << 20) // size)]
        for path in places:
            answered(stack.client, path)
        for _ in range(1000):
            answer = stack.client.ask(asked, ASYNC)
            if answer.status != 202:
                break
            places.append(accepted(answer))
        check_problem(answer, 503, "backlog_lleno")
        assert len(places) < 1000
        for path in places[6:]:
            assert stack.client.ask(path, method="DELETE").status == 204
        del places[6:]
        assert stack.client.ask(L).status == 200
        while places:
            # One that had no room for its answer gets it when there is.
            assert answered(stack.client, places[0]).status == 200, "what was taken is kept"
            assert stack.client.ask(places.pop(0), method="DELETE").status == 204
        assert accepted(stack.client.ask(L, ASYNC))


def test_expiry_of_who_waits_and_of_the_answered_410_for_a_while_then_404(place, served):
    with Stack(place, served, "short", PATIENCE=0, TICKET_LIFE=2, ANSWER_LIFE=2, TRACE_LIFE=2) as stack:
        done = accepted(stack.client.ask(L, ASYNC))
        assert answered(stack.client, done).status == 200
        stack.mserv1.end()
        answer = stack.client.ask(L)
        waiting, told = accepted(answer), ticket(answer)
        assert moment(told["caduca"]) - moment(told["creada"]) == timedelta(seconds=2)
        for path in (done, waiting):
            until(lambda: stack.client.ask(path).status == 410, f"{path} to expire")
            check_problem(stack.client.ask(path), 410, "solicitud_caducada")
            check_problem(stack.client.ask(path + "/resultado"), 410, "solicitud_caducada")
        for path in (done, waiting):
            until(lambda: stack.client.ask(path).status == 404, f"the trace of {path} to end")
            check_problem(stack.client.ask(path), 404, "solicitud_inexistente")
            check_problem(stack.client.ask(path + "/resultado"), 404, "solicitud_inexistente")
        assert waiting.removeprefix(T) in stack.gateway.said(), "one that expired unanswered is logged"
        # Who comes back late does not answer what has expired.
        stack.start("mserv1")
        assert stack.client.ask(waiting).status == 404


# Its operator

def test_the_operator_sees_and_looks_after_the_tickets(place, served):
    with Stack(place, served, "seen", PATIENCE=0) as stack:
        # Readiness asks the daemon itself: the watch may not have seen it yet, or before it was there.
        until(lambda: "mserv1 is well" in stack.gateway.said(), "the watch to see mserv1")
        before = stack.gateway.said()
        stack.mserv1.end()
        ids = [accepted(stack.client.ask(L)).removeprefix(T) for _ in range(3)]
        listed = stack.operate("list", "--state", "waiting")
        assert listed.returncode == 0 and [line[:32] for line in listed.stdout.splitlines()[1:]] == ids, listed
        shown = stack.operate("show", ids[0])
        assert shown.returncode == 0 and ids[0] in shown.stdout and "waiting" in shown.stdout, shown
        assert stack.operate("show", "0" * 32).returncode == 1
        figures = stack.metrics()
        assert figures['pasarela_tickets_waiting{daemon="mserv1"}'] == 3 == figures["pasarela_tickets_accepted_total"]
        assert 0 < figures["pasarela_oldest_waiting_ticket_age_seconds"] < 60
        assert figures['pasarela_requests_total{route="/listar_archivos",status="202"}'] == 3
        assert stack.client.ask(T + ids[0], method="DELETE").status == 204
        stack.start("mserv1")
        assert answered(stack.client, T + ids[1]).status == 200
        assert answered(stack.client, T + ids[2]).status == 200
        assert stack.operate("retry", ids[1]).returncode == 1, "it is answered"
        purged = stack.operate("purge", "answered")
        assert purged.returncode == 0 and purged.stdout.startswith("2 "), purged
        assert stack.client.ask(T + ids[1]).status == 404
        figures = stack.metrics()
        assert figures["pasarela_tickets_replayed_total"] == 2 and figures["pasarela_tickets_deleted_total"] == 3
        assert figures['pasarela_tickets_waiting{daemon="mserv1"}'] == 0
        said = stack.gateway.said().removeprefix(before)
        assert said.count("mserv1 is absent") == 1 and said.count("mserv1 is well") == 1, said
        stack.gateway.end()
        assert stack.operate("list").returncode == 69, "it asks the running gateway"


# Failure

def test_fallida_what_is_answered_with_failure_again_and_again_ends_and_says_why(place, served, tmp_path):
    with Stack(place, served, "failing", PATIENCE=0, TICKET_ATTEMPTS=2) as stack:
        stack.mserv1.end()
        with FailingDaemon(f"{stack.runtime}/mserv1.sock", str(tmp_path)) as daemon:
            stack.daemon_is("mserv1", "bien")
            check_problem(stack.client.ask(L), 500, "error_interno")
            place = accepted(stack.client.ask(L, ASYNC))
            until(lambda: stack.client.ask(place).json()["solicitud"]["estado"] == "fallida", "the failure", 60)
            told = ticket(stack.client.ask(place), ("fallida",), 200)
            assert told["problema"]["codigo"] == "error_interno" and told["problema"]["status"] == 500, told
            assert "broken" not in str(told), "no detail leaves"
            problem = stack.client.ask(place + "/resultado")
            assert problem.status == 500 and problem.json()["codigo"] == "error_interno", problem
            assert place.removeprefix(T) in stack.gateway.said(), "one that failed is logged"
            page = Page(stack.client.ask(place, HTML).html())
            assert not [m for m in page.every("meta") if (m.get("http-equiv") or "").lower() == "refresh"]
            assert len(daemon.calls) >= 2
