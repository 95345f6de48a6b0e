"""The same gateway behind other web servers, configured as docs/web-servers.md shows: they pass on what it says."""

import contextlib
import os
import re
import subprocess
import threading
import time
from concurrent import futures

import pytest

import fastcgi_client as fastcgi
import oracle
from client import UUID, Client, check_problem, target
from stack import Stack, accepted, beside, check_listing, check_search, folder, plain_tree, until
from streams import SLOW, Reader, counted, cpu, ended_call, identity
from web_servers import PAGE, SERVERS, Running, shown

L, S = "/listar_archivos", "/buscar_archivos"
ODD = [b"con espacio", b"a%20b", b"a+b", b"a&b=c", b"a;b", b"a?b#c", b'"comillas"', b"l\nnea", b"\xff\xfe", b"\xc3(",
       "ñandú".encode(), b"back\\slash", b"%2e%2e", b"*", b"'", b"<b>", b"\x01\x7f"]
# So many that a search among them takes a while, and no server has room for a list of them.
MANY = 80_000


@pytest.fixture(scope="module")
def world():
    with folder() as place:
        root = f"{place}/root"
        plain_tree(root)
        deep = root.encode()
        for name in ODD:
            os.mkdir(os.path.join(root.encode(), name))
            open(os.path.join(root.encode(), name, name), "wb").close()
        # A search that takes a while (SLOW) has a hit before and behind, whichever way the walk goes.
        os.mkdir(f"{root}/larga")
        for name in ("a", "lenta", "z"):
            os.mkdir(f"{root}/larga/{name}")
            open(f"{root}/larga/{name}/rara", "wb").close()
        for number in range(MANY):
            os.mknod(f"{root}/larga/lenta/entrada {number:06} de una carpeta con muchas entradas.txt")
        os.mkdir(os.path.join(root.encode(), b"grande"))
        for number in range(1_000):
            open(os.path.join(root.encode(), b"grande", b"%04d" % number + "ñ".encode() * 100), "wb").close()
        # 4,000 bytes of a path that are 12,000 when encoded; made piece by piece, for it is longer than a call takes.
        deep, names = os.open(root, os.O_RDONLY), [b"\xff" * 250] * 15
        for name in names:
            os.mkdir(name, dir_fd=deep)
            deeper = os.open(name, os.O_RDONLY, dir_fd=deep)
            os.close(deep)
            deep = deeper
        os.close(deep)
        stack = Stack(place, root, LOG_REQUESTS="yes")
        try:
            stack.start("mserv1", "mserv2", "gateway")
            yield stack
        except BaseException:
            print(stack.logs())
            raise
        finally:
            stack.stop()
            subprocess.run(["rm", "-rf", root], check=True)


@pytest.fixture(scope="module")
def truth(world):
    return oracle.read(os.fsencode(world.root))


@pytest.fixture(scope="module", params=SERVERS, ids=lambda kind: kind.name)
def server(request, world):
    running = Running(request.param, world)
    one = Client(running.url, world.certificate)
    try:
        yield running.start(one)
        with contextlib.closing(one.another()) as last:
            last.ask("/salud", checked=False)  # It must not hang.
    except BaseException:
        print(running.part.said()[-6000:])
        raise
    finally:
        one.close()
        running.stop()


@pytest.fixture
def client(server):
    made = Client(server.url, server.stack.certificate)
    yield made
    made.close()


def direct(server, asked, method="GET", headers=()):
    """What the gateway itself says, past every web server."""
    return fastcgi.ask(f"{server.stack.runtime}/gateway.sock", asked, method, headers)


# Headers of the connection or of the server's own.
OWN = {"x-request-id", "date", "server", "connection", "keep-alive", "transfer-encoding", "via", "upgrade", "alt-svc",
       "content-length"}


def members(answer, name):
    """A header's values; of one that is a list its members, which a server may write anew."""
    values = answer.all(name)
    return [[part.strip() for value in values for part in value.split(",")]] if name in ("vary", "allow") else values


def check_same(server, answer, expected):
    """The gateway's answer, unaltered."""
    assert answer.status == expected.status, (answer, expected)
    assert answer.body == expected.body or b'"instance"' in expected.body, answer.target
    for mine, theirs in ((answer, expected), (expected, answer)):
        for name, value in mine.headers:
            if name not in OWN:
                assert members(theirs, name) == members(mine, name), (name, theirs.headers)
    if answer.all("Content-Length") and expected.all("Content-Length"):
        assert answer.all("Content-Length") == expected.all("Content-Length")


def test_the_page_says_which_version_was_tested_and_what_it_does(server):
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.read_text().splitlines()
            if line.startswith("|")]
    column = [cell.lower() for cell in rows[0]].index(server.kind.name)
    told = {row[0]: row[column] for row in rows if len(row) == len(rows[0])}
    assert told["keeps connections to `gateway`"] == ("yes" if server.kind.keeps else "no")
    assert told["`gateway` is stopped"].startswith(str(server.kind.absent))
    # Another version may be there; that it is tested is what the test is for.
    print(f"{server.kind.name} {server.version}; the page says {told['tested with']}")


def test_a_list_and_a_search_are_right(server, client, truth):
    check_listing(client.get(L, ruta="/carpeta-3", limite=20).json(), truth, "/carpeta-3", 20)
    check_search(client.get(S, ruta="/carpeta-3", q="f3-1", limite=50).json(), truth, "/carpeta-3", "f3-1", 50)
    names = [entry["nombre"] for _, page in client.pages(target(L, ruta="/carpeta-7", limite=10))
             for entry in page["entradas"]]
    assert names == [entry["nombre"] for entry in oracle.listing(truth, b"/carpeta-7").entries]


@pytest.mark.parametrize("name", ODD, ids=oracle.encoded)
def test_paths_reach_the_gateway_byte_for_byte(server, client, name):
    for asked in (target(L, ruta=b"/" + name), target(S, ruta=b"/" + name, tipo="archivo")):
        answer = client.ask(asked)
        assert answer.status == 200, answer
        check_same(server, answer, direct(server, asked))
        entry, = answer.json()["entradas"]
        assert entry["nombre"] == oracle.shown(name), entry


def test_the_longest_path_and_the_largest_page_pass(server, client):
    path = b"/" + b"/".join([b"\xff" * 250] * 15)
    for asked in (target(L, ruta=path), target(L, ruta="/grande", limite=1_000)):
        answer = client.ask(asked)
        assert answer.status == 200, answer
        check_same(server, answer, direct(server, asked))


# What does not reach the gateway, which would say 404: the server refuses it, as the page says.
BROKEN = {"/%", "/%zz", "/salud%00"}
REFUSED = {"apache": BROKEN | {"/../salud"}, "lighttpd": set(), "caddy": BROKEN, "haproxy": BROKEN}


@pytest.mark.parametrize("asked", [
    "/", "/?", "/?x", "/salud", "/salud?x=1", "/salud/listo", "/salud/", "//salud", "/./salud", "/x/../salud",
    "/../salud", "/%73alud", "/sal%75d", "/salud%2F", "/salud%00", "/%ff", "/%zz", "/%", "/salud;x", "/salud%3Fx",
    "/no/hay", "/openapi.json", "/problemas/no_existe", "/problemas/no%5Fexiste", "/problemas/nada",
    "/solicitudes/0", "/solicitudes/%2F", "/solicitudes//resultado", "/solicitudes/%C3%B1", L,
    L + "?", L + "?&", L + "?ruta", L + "?ruta=", L + "?ruta=/&", L + "?ruta=%2F", L + "?ruta=//",
    L + "?ruta=/./carpeta-1", L + "?ruta=/carpeta-1/../carpeta-2", L + "?ruta=%2e%2e",
    L + "?ruta=/%00", L + "?ruta=%", L + "?ruta=%zz", L + "?ruta=/con+espacio", L + "?ruta=/con%20espacio",
    L + "?ruta=/a%2520b", L + "?ruta=/carpeta-1&ruta=/", L + "?%72uta=/carpeta-1", L + "?ruta=/carpeta-1?x", L + "?x=y",
    L + "?ruta=/a;b", L + "?ruta=/%EF%BF%BD", L + "?ruta=/%C3%28", S + "?q=%22f1-1%22&ruta=/carpeta-1",
    S + "?q=f1+-f1-1*", S + "?q=*%0A*", S + "?q=a%7Cb", S + "?q=%00", L + "?cursor=x", L + "?limite=0",
    L + "?ruta=/carpeta-1&limite=1&total=no", "/index.php", "/.htaccess", "/server-status", "/cgi-bin/x", "/~root",
    "/a.fcgi",
])
def test_whatever_is_asked_the_answer_is_the_gateways(server, client, asked):
    answer, expected = client.ask(asked, checked=False), direct(server, asked)
    if asked in REFUSED[server.kind.name]:
        assert not answer.all("X-Request-Id"), answer.headers
        assert answer.status in (400, 404, 500, 502) and expected.status == 404, (answer, expected)
    else:
        check_same(server, answer, expected)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_methods_are_the_gateways_to_judge(server, client, method):
    for asked in (target(L, ruta="/carpeta-1"), b"/salud", b"/nada"):
        answer = client.ask(asked, {"Content-Length": "0"} if method.startswith("P") else {}, method)
        expected = direct(server, asked.decode(), method)
        assert method != "HEAD" or not answer.body
        check_same(server, answer, expected)


def test_problems_are_whole(server, client):
    check_problem(client.ask(L + "?ruta=/nada"), 404, "no_existe", "ruta")
    check_problem(client.ask(L + "?limite=0"), 400, "valor_invalido", "limite")
    check_problem(client.ask(L, {"Accept": "image/png"}), 406, "no_aceptable")
    page = client.ask(L + "?ruta=/nada", {"Accept": "text/html", "Accept-Language": "en"})
    assert page.status == 404 and page.one("Content-Language") == "en" and "<html" in page.html()


def test_what_the_client_has_is_not_sent_again(server, client):
    asked = target(L, ruta="/carpeta-2")
    answer = client.ask(asked)
    tag = answer.one("ETag")
    again = client.ask(asked, {"If-None-Match": tag})
    assert again.status == 304 and not again.body and again.one("ETag") == tag
    assert client.ask(asked, {"If-None-Match": '"other"'}).body == answer.body
    head = client.ask(asked, method="HEAD")
    assert head.status == 200 and not head.body and head.one("ETag") == tag
    # The connection is in step.
    assert client.ask(asked).body == answer.body


def test_the_requests_id_is_the_clients_or_a_new_one(server, client):
    assert client.ask("/salud", {"X-Request-Id": "una.peticion-1"}).one("X-Request-Id") == "una.peticion-1"
    fresh = [client.ask("/salud", headers).one("X-Request-Id")
             for headers in ({}, {}, {"X-Request-Id": "a b"}, {"X-Request-Id": "x" * 129})]
    assert len(set(fresh)) == 4 and all(re.fullmatch(UUID, one) for one in fresh), fresh


def test_a_ticket_is_made_read_and_deleted(server, client, truth):
    asked = target(L, ruta="/carpeta-1", limite=7)
    accepted_ = client.ask(asked, {"Prefer": "respond-async"})
    place = accepted(accepted_)
    assert "respond-async" in accepted_.one("Preference-Applied")
    until(lambda: client.ask(place, {"Prefer": "wait=5"}).status == 303, "the ticket's answer")
    check_listing(client.ask(place + "/resultado").json(), truth, "/carpeta-1", 7)
    gone = client.ask(place, method="DELETE")
    assert gone.status == 204 and not gone.body
    check_problem(client.ask(place), 404, "solicitud_inexistente")


def test_who_asks_is_known_by_the_address(server, client):
    """/metricas is for this machine only: where REMOTE_ADDR were missing it would be a 403."""
    assert client.ask("/metricas").status == 200


def test_files_are_the_web_servers(server, client):
    for path, kind, file in (("/estilo.css", "text/css", "estilo.css"), ("/icono.svg", "image/svg+xml", "icono.svg"),
                             ("/favicon.ico", "image/svg+xml", "icono.svg")):
        answer = client.ask(path, checked=False)
        assert answer.status == 200 and answer.kind == kind, answer
        with open(f"{server.stack.www()}/{file}", "rb") as expected:
            assert answer.body == expected.read()
    for path in ("/errores/problema.html", "/estilo.css/", "/estilo.cssx"):
        check_problem(client.ask(path), 404, "ruta_http_desconocida")


def test_a_stream_is_read_no_faster_than_its_client_takes_it(server, client):
    """Spooled or gathered by the server the call would end, whoever reads."""
    name, asked = identity(), L + "?ruta=/larga/lenta&formato=ndjson"
    with Reader(server, asked, {"X-Request-Id": name}) as reader:
        assert reader.head().status == 200 and reader.take(1)

        def rests():
            before = cpu(server.stack.mserv1.pid)
            time.sleep(0.3)
            return cpu(server.stack.mserv1.pid) - before < 0.005

        until(rests, "the daemon to wait")
        assert ended_call(server.stack, "mserv1", name) is None, "the server took it all"
        assert counted(reader.rest(), "ndjson") == MANY + 1
    assert client.ask(asked).body.count(b"\n") == MANY + 2


def test_a_hit_reaches_the_client_while_others_are_looked_for(server):
    name = identity()
    with Reader(server, target(S, ruta="/larga", q=f"{SLOW} rara", formato="texto"), {"X-Request-Id": name}) as reader:
        assert reader.head().status == 200 and reader.take(1)
        assert ended_call(server.stack, "mserv2", name) is None, "it was kept back until the end"
        assert counted(reader.rest(), "texto") == 3


def test_http_2_gives_the_same(server, client):
    asked = target(L, ruta="/carpeta-4", limite=30).decode()
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--http2", "--cacert", server.stack.certificate, "--noproxy", "*",
         "--write-out", "%{stderr}%{http_version}", server.url + asked], capture_output=True, timeout=20, check=True)
    assert done.stderr == b"2" and done.stdout == client.ask(asked).body, done


def sockets(stack):
    """The inodes of the gateway's own ends of connections to its socket."""
    path, own = f"{stack.runtime}/gateway.sock", set()
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
        named = {words[6] for words in map(str.split, table) if words[-1] == path and words[5] == "03"}
    for number in os.listdir(f"/proc/{stack.gateway.pid}/fd"):
        try:
            link = os.readlink(f"/proc/{stack.gateway.pid}/fd/{number}")
        except FileNotFoundError:
            continue
        own.add(link.removeprefix("socket:[").removesuffix("]"))
    return named & own


def test_connections_to_the_gateway_are_kept_or_not_as_the_page_says(server, client):
    client.ask("/salud")
    if not server.kind.keeps:
        until(lambda: not sockets(server.stack), "the end of every connection")
        return
    seen = set()
    for _ in range(50):
        client.ask("/salud")
        until(lambda: sockets(server.stack), "a connection that is kept")
        seen |= sockets(server.stack)
    assert len(seen) < 50, f"50 requests took {len(seen)} connections"


def test_many_clients_at_once_are_all_answered_right(server, client, truth):
    def work(number):
        one = client.another()
        try:
            for turn in range(12):
                # Few that differ: past 48 calls that are under way at the same time a daemon's are refused.
                ruta, limite = f"/carpeta-{(number + turn) % 8}", 1 + (number + turn) % 40
                answer = one.ask(target(L, ruta=ruta, limite=limite))
                assert answer.status == 200, answer
                check_listing(answer.json(), truth, ruta, limite)
                check_problem(one.ask(L + f"?ruta=/nada-{number % 8}"), 404, "no_existe", "ruta")
        finally:
            one.close()

    with futures.ThreadPoolExecutor(64) as pool:
        for done in [pool.submit(work, number) for number in range(64)]:
            done.result()


def again(server, client):
    """The gateway has just come back: it is asked at once, or as soon as the page says."""
    if server.kind.away:
        until(lambda: client.ask("/salud", checked=False).status == 200, "an answer", 3 * server.kind.away)


def test_while_the_gateway_is_away_it_says_so_and_afterwards_all_is_well_at_once(server, client, truth):
    stack = server.stack
    client.ask("/salud")
    stack.gateway.end()
    try:
        for _ in range(3):
            assert client.ask("/salud", checked=False).status == server.kind.absent
    finally:
        stack.start("gateway")
    again(server, client)
    for number in range(8):
        one = client.another()
        check_listing(one.get(L, ruta=f"/carpeta-{number}", limite=3).json(), truth, f"/carpeta-{number}", 3)
        one.close()


def test_idle_connections_to_a_gateway_that_was_restarted_are_not_used(server, client):
    others = [client.another() for _ in range(16)]
    with futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda one: one.ask(L), others))
    server.stack.gateway.end()
    server.stack.start("gateway")
    again(server, client)
    with futures.ThreadPoolExecutor(16) as pool:
        assert {answer.status for answer in pool.map(lambda one: one.ask("/salud"), others)} == {200}
    for one in others:
        one.close()


def test_after_a_restart_under_load_it_goes_on(server, client):
    """What is under way may be lost (nginx tries it again, these do not); nothing else is."""
    lost, count, lock = [], [0], threading.Lock()

    def work(stop, _):
        one = client.another()
        while not stop.is_set():
            answer = one.ask(L + "?ruta=/carpeta-1", checked=False)
            with lock:
                count[0] += 1
                if answer.status != 200:
                    lost.append(answer.status)
        one.close()

    with beside(work, threads=6):
        for _ in range(3):
            goal = count[0] + 100
            until(lambda: count[0] > goal, "answers")
            server.stack.gateway.end()
            server.stack.start("gateway")
            again(server, client)
        with lock:
            lost_before, goal = len(lost), count[0] + 200
        until(lambda: count[0] > goal, "answers")
        assert len(lost) - lost_before <= 6, "no more than were under way"
    assert set(lost) <= {500, 502, 503}, set(lost)
    print(f"{server.kind.name}: {len(lost)} of {count[0]} lost while the gateway was restarted three times")


def test_a_cgi_client_is_answered(world):
    command = shown("sh").replace("/run/pasarela/gateway.sock", f"{world.runtime}/gateway.sock")
    for variables, expected in (
            ({}, b'{"estado":"bien"}'),
            ({"REQUEST_URI": L + "?ruta=/%FF%FE&limite=1"}, b'"ruta_codificada":"/%FF%FE"'),
            ({"REQUEST_URI": None, "SCRIPT_NAME": L, "PATH_INFO": "", "QUERY_STRING": "ruta=/a%25b"}, b'"no_existe"'),
            ({"REQUEST_URI": None, "SCRIPT_NAME": "", "PATH_INFO": L, "QUERY_STRING": "ruta=/a%2520b"}, b'"a%20b"'),
            ({"REQUEST_METHOD": "POST"}, b'"metodo_no_permitido"'),
            ({"HTTP_ACCEPT_LANGUAGE": "en", "REQUEST_URI": "/nada"}, b"Content-Language: en")):
        line = " ".join(word for word in command.split() if word.partition("=")[0] not in variables)
        given = {name: value for name, value in variables.items() if value is not None}
        done = subprocess.run(["sh", "-c", line], env={"PATH": os.environ["PATH"], **given}, capture_output=True,
                              timeout=20, stdin=subprocess.DEVNULL, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        assert head.startswith(b"Status: ") and expected in done.stdout, (variables, done)
        assert int(re.search(rb"Content-Length: (\d+)", head)[1]) == len(body)
