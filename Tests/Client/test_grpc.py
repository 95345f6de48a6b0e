"""The daemons by another gRPC client: grpcio, with messages made here from the .proto files."""

import importlib
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import grpc_tools
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_tools import protoc

import oracle
from test_oracle import ORDERS, folders

PROTOS = Path(__file__).resolve().parents[2] / "Sources" / "ArchiveProtocol" / "Protos"
KINDS = {"archivo": 1, "directorio": 2, "enlace": 3, "otro": 4}
UNKNOWN_TIME = 4_294_967_295
NAMES = {"mserv1": "pasarela.v1.ListingService", "mserv2": "pasarela.v1.SearchService"}


class Stubs:
    """The messages and the two services."""

    def __init__(self, place, runtime):
        own = sorted(str(path) for path in (PROTOS / "pasarela").rglob("*.proto"))
        bundled = Path(grpc_tools.__file__).parent / "_proto"
        made = protoc.main(["protoc", f"-I{PROTOS}", f"-I{bundled}", f"--python_out={place}",
                            f"--grpc_python_out={place}", *own])
        assert made == 0, "protoc failed"
        sys.path.insert(0, place)
        self.entries, self.listing, self.search = (
            importlib.import_module(f"pasarela.v1.{name}_pb2") for name in ("entries", "listing", "search"))
        self.channels = {name: grpc.insecure_channel(f"unix:{runtime}/{name}.sock")
                         for name in ("mserv1", "mserv2")}
        services = [importlib.import_module(f"pasarela.v1.{name}_pb2_grpc") for name in ("listing", "search")]
        self.lister = services[0].ListingServiceStub(self.channels["mserv1"])
        self.searcher = services[1].SearchServiceStub(self.channels["mserv2"])

    def query(self, path, order="natural", kinds=None, hidden=False, first=False, folder=False):
        number = {"natural": 1, "nombre": 2, "ninguno": 3, "": 0}[order.lstrip("-")]
        return self.entries.EntryQuery(
            path=path.strip(b"/"), order=number, descending=order.startswith("-"),
            directories_first=first, kinds=[KINDS[kind] for kind in kinds or []],
            include_hidden=hidden, must_be_folder=folder)


@pytest.fixture(scope="session")
def stubs(scratch, root):
    return Stubs(scratch, os.environ["PASARELA_RUNTIME_DIR"])


def split(column, count):
    parts = column.split(b"\0")
    assert parts.pop() == b"" and len(parts) == count, (column[:200], count)
    return parts


def rows(columns, search=False, text=None):
    """The columns as one dictionary an entry; each column must have the right length."""
    count = len(columns.kinds)
    names = split(columns.names, count) if count else []
    assert len(columns.sizes) == len(columns.modified_seconds) == len(columns.modified_nanoseconds) == count
    assert KINDS["enlace"] in columns.kinds or not columns.targets, "targets without a link"
    targets = split(columns.targets, count) if columns.targets else [b""] * count
    places = split(columns.folders, count) if search and count else [b""] * count
    assert search or not columns.folders
    assert len(columns.match_counts) == (count if text is not None else 0)
    bounds, marked = list(columns.match_bounds), []
    for number in columns.match_counts:
        marked.append([[bounds.pop(0), bounds.pop(0)] for _ in range(number)])
    assert not bounds
    made = []
    for i in range(count):
        assert 0 <= columns.modified_nanoseconds[i] < 10**9 or columns.modified_nanoseconds[i] == UNKNOWN_TIME
        made.append((names[i], columns.kinds[i], columns.sizes[i],
                     None if columns.modified_nanoseconds[i] == UNKNOWN_TIME else
                     columns.modified_seconds[i] * 10**9 + columns.modified_nanoseconds[i],
                     targets[i], places[i], marked[i] if text is not None else None))
    return made


def wanted(expected, base=None):
    """An oracle's answer in the same form; `base` is the searched folder's own path."""
    made = []
    for node, told in zip(expected.nodes, expected.entries):
        size = node.size if node.known and node.kind == "archivo" else -1
        place = b""
        if base is not None:
            place = node.path[:-len(node.name)].strip(b"/")[len(base):].lstrip(b"/")
        made.append((node.name, KINDS[node.kind], size, node.modified if node.known else None,
                     (node.target or b"") if node.known else b"", place, told.get("coincidencias")))
    return made


def check_end(end, expected):
    told = {(notice.code, notice.path) for notice in end.notices
            if not any(oracle.shown(b"/" + notice.path) == vague
                       or oracle.shown(b"/" + notice.path).startswith(vague + "/") for vague in expected.vague)}
    assert {(1, oracle.shown(b"/" + path)) for code, path in told if code == 1} == {
        (1, ruta) for _, ruta in expected.notices}
    assert {code for code, _ in told} <= {1}
    assert end.complete == expected.complete


def paged(call, request, search=False, text=None):
    """All pages of a unary call: the rows, and each response."""
    got, responses = [], []
    while True:
        response = call(request, timeout=20)
        page = rows(response.entries, search, text)
        assert len(page) <= (request.limit or 100)
        got += page
        responses.append(response)
        if not response.HasField("next"):
            return got, responses
        assert page, "a page without an entry has a next one"
        request.after.CopyFrom(response.next)


@pytest.mark.parametrize("order", ORDERS)
def test_list_folder_is_what_the_oracle_says(stubs, tree, order):
    for number, ruta in enumerate(folders(tree)):
        if oracle.resolve(tree, ruta, True)[0] != "folder":
            continue
        limit = [0, 1000, 7, 1][number % 4]
        expected = oracle.listing(tree, ruta, order, number % 3 == 0, hidden=True)
        if limit == 1 and len(expected.nodes) > 40:
            limit = 3
        request = stubs.listing.ListFolderRequest(
            query=stubs.query(ruta, order, hidden=True, first=number % 3 == 0), limit=limit)
        got, responses = paged(stubs.lister.ListFolder, request)
        assert got == wanted(expected), ruta
        for response in responses:
            check_end(response, expected)
            if response.HasField("total") and response.total.exact:
                assert response.total.value == len(got)


def test_stream_folder_has_all_and_an_end(stubs, tree):
    for ruta in folders(tree):
        outcome, _ = oracle.resolve(tree, ruta)
        if outcome != "folder":
            continue
        expected = oracle.listing(tree, ruta)
        for order in ("", "ninguno"):
            request = stubs.listing.StreamFolderRequest(query=stubs.query(ruta, order))
            messages = list(stubs.lister.StreamFolder(request, timeout=20))
            assert [m.HasField("end") for m in messages] == [False] * (len(messages) - 1) + [True]
            got = [row for message in messages for row in rows(message.entries)]
            assert sorted(got, key=lambda r: r[0]) == sorted(wanted(expected), key=lambda r: r[0])
            assert messages[-1].end.count == len(got)
            check_end(messages[-1].end, expected)


QUERIES = ["a", "nino", "niño", "*.txt", "-a", '"a b"', "o -n", "1 ?*", "\ufffd", "ss", None]


@pytest.mark.parametrize("text", QUERIES)
@pytest.mark.parametrize("ruta", [b"/", b"/contrato", b"/permisos", b"/nombres", "/gemelos ñ".encode()])
def test_search_names_is_what_the_oracle_says(stubs, tree, text, ruta):
    for order, limit in (("natural", 1000), ("-nombre", 17), ("-natural", 0)):
        kinds = ["archivo", "enlace"] if text is None or limit == 17 else None
        expected = oracle.search(tree, ruta, text, order, kinds=kinds, hidden=True)
        if len(expected.nodes) > 40 * (limit or 100):
            continue
        request = stubs.search.SearchNamesRequest(
            query=stubs.query(ruta, order, kinds, hidden=True), text=text, limit=limit)
        got, responses = paged(stubs.searcher.SearchNames, request, True, text)
        assert got == wanted(expected, ruta.strip(b"/"))
        for response in responses:
            check_end(response, expected)
            if response.HasField("total") and response.total.exact:
                assert response.total.value == len(got)


@pytest.mark.parametrize("text", QUERIES)
def test_stream_names_has_all_and_an_end(stubs, tree, text):
    kinds = ["directorio"] if text is None else None
    expected = oracle.search(tree, b"/", text, kinds=kinds)
    request = stubs.search.StreamNamesRequest(query=stubs.query(b"/", "", kinds), text=text)
    messages = list(stubs.searcher.StreamNames(request, timeout=20))
    assert [m.HasField("end") for m in messages] == [False] * (len(messages) - 1) + [True]
    got = [row for message in messages for row in rows(message.entries, True, text)]

    def key(row):
        return row[5], row[0]

    assert sorted(got, key=key) == sorted(wanted(expected, b""), key=key)
    assert messages[-1].end.count == len(got)
    check_end(messages[-1].end, expected)


# Refusals

def refused(call, request, timeout=20):
    with pytest.raises(grpc.RpcError) as caught:
        answer = call(request, timeout=timeout)
        if not hasattr(answer, "SerializeToString"):
            list(answer)
    return caught.value.code(), caught.value.details()


PATHS = [(b"no/hay", "NOT_FOUND"), (b"..", "NOT_FOUND"), (b"contrato/../contrato", "NOT_FOUND"),
         (b"contrato/fuera", "NOT_FOUND"), (b"contrato/absoluto", "NOT_FOUND"),
         (b"contrato/vuelve", "NOT_FOUND"), (b"contrato/bucle", "NOT_FOUND"),
         (b"contrato/colgado", "NOT_FOUND"), (b"x" * 256, "NOT_FOUND"), (b"contrato/a/\xff", "NOT_FOUND"),
         (b"contrato/archivo.txt/x", "FAILED_PRECONDITION"),
         (b"permisos/cerrada", "PERMISSION_DENIED"), (b"permisos/cerrada/secreto", "NOT_FOUND"),
         (b".git", "NOT_FOUND"), (b".git/config", "NOT_FOUND")]


@pytest.mark.parametrize("path, code", PATHS)
def test_paths_that_are_refused(stubs, path, code):
    query, listing, search = stubs.query(path, ""), stubs.listing, stubs.search
    for call, request in [
            (stubs.lister.ListFolder, listing.ListFolderRequest(query=query)),
            (stubs.lister.StreamFolder, listing.StreamFolderRequest(query=query)),
            (stubs.searcher.SearchNames, search.SearchNamesRequest(query=query, text="a")),
            (stubs.searcher.StreamNames, search.StreamNamesRequest(query=query, text="a"))]:
        assert refused(call, request)[0] == grpc.StatusCode[code]


def test_what_must_be_a_folder_and_is_none(stubs):
    query = stubs.query(b"contrato/archivo.txt", folder=True)
    request = stubs.listing.ListFolderRequest(query=query)
    assert refused(stubs.lister.ListFolder, request)[0] == grpc.StatusCode.FAILED_PRECONDITION
    search = stubs.search.SearchNamesRequest(query=stubs.query(b"contrato/archivo.txt"), text="a")
    assert refused(stubs.searcher.SearchNames, search)[0] == grpc.StatusCode.FAILED_PRECONDITION


def test_a_files_path_gives_its_one_entry(stubs, tree):
    request = stubs.listing.ListFolderRequest(query=stubs.query(b"contrato/archivo.txt"))
    got, _ = paged(stubs.lister.ListFolder, request)
    assert got == wanted(oracle.listing(tree, b"/contrato/archivo.txt"))


@pytest.mark.parametrize("path", [b"a\0b", b"/contrato", b"contrato/", b"contrato//a", b"contrato/./a",
                                  b"x/" * 3000, b"\0", b"/", b"/etc"])
def test_a_path_of_another_form_never_leaves_the_root(stubs, path):
    """The gateway sends normal forms; whoever else speaks is refused or answered beneath the root."""
    request = stubs.listing.ListFolderRequest()
    request.query.path = path
    try:
        response = stubs.lister.ListFolder(request, timeout=20)
        assert not set(rows(response.entries)) & {b"passwd"}
    except grpc.RpcError as error:
        assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)


@pytest.mark.parametrize("text", ['"abierta', "a -", 'a"b"', '""', " ", "", "a|b", "ext:pdf", "a" * 1025])
def test_a_query_that_cant_be_read_is_an_invalid_argument(stubs, text):
    request = stubs.search.SearchNamesRequest(query=stubs.query(b""), text=text)
    assert refused(stubs.searcher.SearchNames, request)[0] == grpc.StatusCode.INVALID_ARGUMENT
    stream = stubs.search.StreamNamesRequest(query=stubs.query(b"", ""), text=text)
    assert refused(stubs.searcher.StreamNames, stream)[0] == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"\x0a\x05ab", b"\x08"])
@pytest.mark.parametrize("name, method", [("mserv1", "ListFolder"), ("mserv1", "StreamFolder"),
                                          ("mserv2", "SearchNames"), ("mserv2", "StreamNames")])
def test_a_message_that_cant_be_read_is_an_error_not_an_end(stubs, raw, name, method):
    channel, full = stubs.channels[name], f"/{NAMES[name]}/{method}"
    call = channel.unary_stream(full) if method.startswith("Stream") else channel.unary_unary(full)
    code, _ = refused(call, raw)
    assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL), code


def test_unknown_numbers_are_invalid_arguments(stubs):
    for limit in (1001, 4_000_000_000):
        request = stubs.listing.ListFolderRequest(query=stubs.query(b""), limit=limit)
        assert refused(stubs.lister.ListFolder, request)[0] == grpc.StatusCode.INVALID_ARGUMENT
    query = stubs.query(b"")
    query.order = 77
    request = stubs.listing.ListFolderRequest(query=query)
    assert refused(stubs.lister.ListFolder, request)[0] == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("name", ["mserv1", "mserv2"])
@pytest.mark.parametrize("method", ["/pasarela.v1.ListingService/Nada", "/nada/Nada", "/pasarela.v1.Nada/ListFolder",
                                    "/grpc.health.v1.Health/Nada", "/x"])
def test_an_unknown_method_is_unimplemented(stubs, name, method):
    start = time.monotonic()
    assert refused(stubs.channels[name].unary_unary(method), b"")[0] == grpc.StatusCode.UNIMPLEMENTED
    assert refused(stubs.channels[name].unary_stream(method), b"")[0] == grpc.StatusCode.UNIMPLEMENTED
    assert time.monotonic() - start < 5, "answered, not waited out"


def test_the_others_service_is_unimplemented(stubs):
    for name, method in (("mserv1", "/pasarela.v1.SearchService/SearchNames"),
                         ("mserv2", "/pasarela.v1.ListingService/ListFolder")):
        assert refused(stubs.channels[name].unary_unary(method), b"")[0] == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("name", ["mserv1", "mserv2"])
def test_health_check_and_watch(stubs, name):
    health = health_pb2_grpc.HealthStub(stubs.channels[name])
    ask = health_pb2.HealthCheckRequest
    for service in ("", NAMES[name]):
        assert health.Check(ask(service=service), timeout=5).status == 1
        watch = health.Watch(ask(service=service), timeout=20)
        assert next(watch).status == 1
        watch.cancel()
    assert refused(health.Check, ask(service="nada"))[0] == grpc.StatusCode.NOT_FOUND
    watch = health.Watch(ask(service="nada"), timeout=20)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()


@pytest.mark.parametrize("name", ["mserv1", "mserv2"])
def test_many_watchers_take_nothing_from_the_callers(stubs, name):
    """A watch waits for ever. Fifty: each is served or refused at once, calls go on, and all ends."""
    health = health_pb2_grpc.HealthStub(stubs.channels[name])
    ask = health_pb2.HealthCheckRequest

    def served(number):
        """How many of so many watches at once are served; meanwhile calls are, too."""
        watches, count = [health.Watch(ask(), timeout=60) for _ in range(number)], 0
        try:
            for watch in watches:
                try:
                    assert next(watch).status == 1
                    count += 1
                except grpc.RpcError as error:
                    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            for _ in range(50):
                assert health.Check(ask(), timeout=5).status == 1
        finally:
            for watch in watches:
                watch.cancel()
        return count

    most = served(50)
    assert most > 1
    deadline = time.monotonic() + 10
    while served(most) < most:  # A cancelled watch gives its place back.
        assert time.monotonic() < deadline, "no place is given back"
        time.sleep(0.05)  # Else this very test takes each place that becomes free.


def test_traceparent_and_other_metadata_are_no_fault(stubs):
    request = stubs.listing.ListFolderRequest(query=stubs.query(b"contrato"))
    metadata = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                ("x-request-id", "a"), ("algo-bin", b"\x00\xff")]
    assert rows(stubs.lister.ListFolder(request, timeout=5, metadata=metadata).entries)


def test_32_callers_at_once_on_one_channel(stubs, tree):
    expected = {ruta: wanted(oracle.listing(tree, ruta)) for ruta in (b"/orden", b"/contrato", b"/tiempos")}

    def one(number):
        for turn in range(30):
            ruta = list(expected)[(number + turn) % 3]
            request = stubs.listing.ListFolderRequest(query=stubs.query(ruta), limit=1000)
            assert rows(stubs.lister.ListFolder(request, timeout=20).entries) == expected[ruta]
        return 1

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(one, range(32))) == 32


def test_a_cancelled_stream_harms_nobody(stubs):
    for _ in range(50):
        request = stubs.search.StreamNamesRequest(query=stubs.query(b"/", ""), text="a")
        stream = stubs.searcher.StreamNames(request, timeout=20)
        next(stream)
        stream.cancel()
    assert stubs.searcher.SearchNames(
        stubs.search.SearchNamesRequest(query=stubs.query(b"contrato"), text="a"), timeout=5).complete


@pytest.mark.no_hidden
def test_hidden_names_that_are_not_allowed_are_refused_by_the_daemons(stubs):
    query = stubs.query(b"", hidden=True)
    for call, request in [(stubs.lister.ListFolder, stubs.listing.ListFolderRequest(query=query)),
                          (stubs.searcher.SearchNames, stubs.search.SearchNamesRequest(query=query, text="a"))]:
        assert refused(call, request) == (grpc.StatusCode.PERMISSION_DENIED, "hidden")
