"""Whatever comes over its FastCGI socket, the gateway goes on: the same process, and no descriptor or thread more."""

import contextlib
import os
import random
import time

import pytest

import fastcgi_client as fastcgi
from fastcgi_client import ABORT, DATA, END, GET_VALUES, PARAMETERS, STDIN, STDOUT, Connection, begin, pairs, record, \
    size, stream
from stack import Stack, beside, folder, plain_tree, until

GOOD = fastcgi.parameters("/listar_archivos?ruta=/carpeta-1&limite=5")
REQUEST = fastcgi.request(GOOD)
TOLD = stream(PARAMETERS, 1, pairs(GOOD))
MANY_QUESTIONS = record(GET_VALUES, 0, pairs([("FCGI_MAX_CONNS", "")] * 100))
FUZZ_SECONDS = float(os.environ.get("FUZZ_SECONDS", "5"))


@pytest.fixture(scope="module")
def world():
    with folder() as place:
        plain_tree(f"{place}/root")
        with Stack(place, f"{place}/root") as stack:
            yield stack


class Watch:
    """The gateway as it was; `same` holds it against that."""

    def __init__(self, stack):
        self.stack, self.path = stack, f"{stack.runtime}/gateway.sock"
        for _ in range(20):  # What is opened for the first requests is there.
            self.good()
        self.pid, self.descriptors, self.threads = stack.gateway.pid, self.counted("fd"), self.counted("task")

    def counted(self, what):
        """Its threads; or its connections, but for those to daemons: of these there are as many as there ever were calls at a
        time, kept for the next ones, and each has two descriptors of one socket (and one of gRPC's to wake who waits)."""
        path = f"/proc/{self.stack.gateway.pid}/{what}"
        names = os.listdir(path)
        if what == "task":
            return len(names)
        targets = []
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # Closed meanwhile.
                targets.append(os.readlink(f"{path}/{name}"))
        return sum(1 for target in targets if target.startswith("socket:") and targets.count(target) == 1)

    def good(self, seconds=3):
        """A good request is answered at once."""
        begun = time.monotonic()
        answer = fastcgi.ask(self.path, "/listar_archivos?ruta=/carpeta-1&limite=5")
        assert answer.status == 200 and answer.body.count(b'"nombre"') == 5, answer
        took = time.monotonic() - begun
        assert took < seconds, f"a good request took {took} s"

    def same(self):
        assert self.stack.gateway.runs, self.stack.gateway.said()[-2000:]
        self.good()
        assert self.stack.gateway.pid == self.pid
        # The end of a connection is seen by its peer a moment before its number is free.
        until(lambda: self.counted("fd") <= self.descriptors and self.counted("task") <= self.threads,
              f"{self.descriptors} descriptors and {self.threads} threads, not "
              f"{self.counted('fd')} and {self.counted('task')}", 10)


@pytest.fixture(scope="module")
def watched(world):
    return Watch(world)


@pytest.fixture
def watch(watched):
    yield watched
    watched.same()


def attack(watch, data):
    """Sends, half-closes, and gives what comes back until the gateway ends the connection."""
    with Connection(watch.path) as connection:
        connection.send(data)
        connection.finish()
        return connection.rest()


def no_answer(got):
    """Nothing of an answer: no record of STDOUT."""
    return not got or got[1] != STDOUT


NEVER_ANSWERED = {
    "version 0": record(fastcgi.BEGIN, 1, begin()[8:], version=0) + REQUEST[16:],
    "version 2": record(fastcgi.BEGIN, 1, begin()[8:], version=2) + REQUEST[16:],
    "version 255 in the parameters": begin() + record(PARAMETERS, 1, pairs(GOOD), version=255),
    "type 0": record(0, 1, b"x") + REQUEST,
    "type 12": record(12, 1, b"x") + REQUEST,
    "type 255": record(255, 1, b"x") + REQUEST,
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": bytes.fromhex("1603010200010001fc0303") + bytes(600),
    "zeros": bytes(100_000),
    "ones": b"\xff" * 100_000,
    "nothing": b"",
    "half a header": REQUEST[:5],
    "a begin that is cut off": REQUEST[:12],
    "id 0": begin(0) + stream(PARAMETERS, 0, pairs(GOOD)) + stream(STDIN, 0, b""),
    "a short begin": record(fastcgi.BEGIN, 1, b"\0\1\0") + TOLD,
    "a long begin": record(fastcgi.BEGIN, 1, b"\0\1" + bytes(60_000)) + TOLD,
    "begin twice": begin() + REQUEST,
    "no begin": TOLD + record(STDIN),
    "the authorizer's role": begin(role=fastcgi.AUTHORIZER) + TOLD + record(STDIN),
    "the filter's role": begin(role=fastcgi.FILTER) + TOLD + record(STDIN) + record(DATA),
    "role 0": begin(role=0) + TOLD + record(STDIN),
    "role 65535": begin(role=65_535) + TOLD + record(STDIN),
    "parameters that are cut off": begin() + TOLD[:60],
    "parameters without an end": begin() + record(PARAMETERS, 1, pairs(GOOD)),
    "parameters after their end": begin() + TOLD + TOLD + record(STDIN),
    "a body before the parameters": begin() + record(STDIN, 1, b"x") + TOLD,
    "a record that says it is longer": begin() + record(PARAMETERS, 1, pairs(GOOD), length=65_535) + record(STDIN),
    "a record that says it is shorter": begin() + record(PARAMETERS, 1, pairs(GOOD), length=9) + record(STDIN),
    "a name longer than the stream": begin() + stream(PARAMETERS, 1, size(100) + size(1) + b"A"),
    "a value longer than the stream": begin() + stream(PARAMETERS, 1, size(1) + size(100) + b"AB"),
    "a length that is cut": begin() + stream(PARAMETERS, 1, b"\x80\0"),
    "no value's length": begin() + stream(PARAMETERS, 1, b"\x03"),
    "a name of 2^31 - 1": begin() + stream(PARAMETERS, 1, size(2**31 - 1) + size(1) + b"AB"),
    "a value of 2^31 - 1": begin() + stream(PARAMETERS, 1, size(1) + size(2**31 - 1) + b"AB"),
    "both of 2^31 - 1": begin() + stream(PARAMETERS, 1, size(2**31 - 1) * 2 + b"AB") + record(STDIN),
    "both of 2^31 - 2": begin() + stream(PARAMETERS, 1, size(2**31 - 2) * 2 + b"AB") + record(STDIN),
    "a sum that wraps 32 bits": begin() + stream(PARAMETERS, 1, size(2**31 - 1) * 2 + pairs(GOOD)) + record(STDIN),
    "a million pairs of 2^31": begin() + stream(PARAMETERS, 1, size(2**31 - 1) * 15_000),
    "a NUL in a name": fastcgi.request([("REQUEST_METHOD\0", "GET"), *GOOD]),
    "a NUL in a value": fastcgi.request([("REQUEST_URI", "/\0x"), *GOOD]),
    "a name that would be another's": fastcgi.request([("REQUEST_URI=/salud", "x"), *GOOD]),
    "more parameters than there may be": begin() + stream(PARAMETERS, 1, pairs([("HTTP_A", "a" * 60_000)] * 40)),
    "ids that are interleaved": (begin(1) + begin(2) + stream(PARAMETERS, 1, pairs(GOOD))
                                 + stream(PARAMETERS, 2, pairs(GOOD)) + record(STDIN, 1) + record(STDIN, 2)),
    "the parameters of another id": begin() + stream(PARAMETERS, 2, pairs(GOOD)) + record(STDIN, 2),
    "the body of another id": begin() + TOLD + record(STDIN, 2),
    "an abort first": record(ABORT) + REQUEST,
    "an abort after begin": begin() + record(ABORT),
    "an abort within the parameters": begin() + record(PARAMETERS, 1, pairs(GOOD)) + record(ABORT),
    "an abort before the body": begin() + TOLD + record(ABORT),
    "an abort of another id": begin() + TOLD + record(ABORT, 7) + record(STDIN),
    "the gateway's own records": record(STDOUT, 1, b"Status: 200\r\n\r\n") + record(END, 1, bytes(8)),
    "questions": record(GET_VALUES, 0, pairs([("FCGI_MAX_REQS", ""), ("FCGI_MPXS_CONNS", "")])),
    "an empty question": record(GET_VALUES, 0),
    "a hundred questions": MANY_QUESTIONS + REQUEST,
    "a hundred questions within a request": begin() + TOLD + MANY_QUESTIONS + record(STDIN),
    "questions of 64 KiB": record(GET_VALUES, 0, b"\xff" * 65_535, padding=255) * 20,
    "an unknown management record": record(77, 0, b"x" * 60_000) + REQUEST,
    "data": begin() + TOLD + stream(DATA, 1, b"x"),
    "a body without an end": begin() + TOLD + record(STDIN, 1, b"x" * 1_000),
    "padding that never comes": begin() + TOLD + record(STDIN, 1, b"x", padding=255)[:-200],
}

ANSWERED = {
    "one byte a record": fastcgi.request(GOOD, cut=1, padding=1),
    "records padded with 255": fastcgi.request(GOOD, cut=7, padding=255),
    "lengths of four bytes throughout": begin() + stream(PARAMETERS, 1, pairs(GOOD, wide=True)) + record(STDIN),
    "id 65535": fastcgi.request(GOOD, 65_535),
    "a body": fastcgi.request(GOOD, body=b"x" * 1_000_000),
    "flags that nobody knows": record(fastcgi.BEGIN, 1, b"\0\1\xfe" + b"\xff" * 5) + REQUEST[16:],
    "empty names and values": fastcgi.request([("", ""), ("", "x"), ("X", ""), *GOOD]),
    "names over and over": fastcgi.request(GOOD + [("REQUEST_URI", "/salud")] * 2_000),
    "ten thousand parameters": fastcgi.request([(f"X{n}", "") for n in range(10_000)] + GOOD),
    "bytes that are no text": fastcgi.request([(b"HTTP_\xff\xfe", b"\x80\x01"), *GOOD]),
    "an abort behind the request": REQUEST + record(ABORT),
    "half a request behind the request": REQUEST + REQUEST[:33],
    "nonsense behind the request": REQUEST + b"\xff" * 3_000,
    "a second request that was not waited for": fastcgi.request(GOOD, keep=True) + fastcgi.request(GOOD, 2),
}


@pytest.mark.parametrize("data", NEVER_ANSWERED.values(), ids=NEVER_ANSWERED)
def test_what_is_no_request_ends_its_connection_and_nothing_else(watch, data):
    assert no_answer(attack(watch, data))


@pytest.mark.parametrize("data", ANSWERED.values(), ids=ANSWERED)
def test_what_is_odd_but_a_request_is_answered(watch, data):
    number = int.from_bytes(data[2:4], "big")
    with Connection(watch.path) as connection:
        connection.send(data)
        answer = connection.answer(number)
        assert answer.status == 200 and answer.body.count(b'"nombre"') == 5, answer
        connection.finish()
        connection.rest()


@pytest.mark.parametrize("told", [
    [],
    [("REQUEST_METHOD", "GET")],
    [("REQUEST_URI", "/salud")],
    [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "")],
    [("REQUEST_METHOD", "G" * 50_000), ("REQUEST_URI", "/salud")],
    [("REQUEST_METHOD", b"\xff\n"), ("REQUEST_URI", b"\xff\r\nX: y")],
    [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/listar_archivos?ruta=" + "%41/" * 15_000)],
    [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/listar_archivos?" + "&" * 60_000)],
    [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/buscar_archivos?q=" + "*" * 60_000)],
    [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/salud"), ("HTTP_ACCEPT", "a/b;q=0," * 7_000)],
    [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/salud"), ("HTTP_ACCEPT_LANGUAGE", "," * 60_000)],
    [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/salud"), ("HTTP_PREFER", "wait=" + "9" * 60_000)],
    [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/salud"), ("REMOTE_ADDR", "::" * 30_000)],
    [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/listar_archivos"), ("HTTP_IF_NONE_MATCH", '"' * 60_000)],
    [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/salud"), ("REQUEST_ID", b"\r\nX: y\0"[:6])],
], ids=str)
def test_parameters_that_no_web_server_sends_are_answered_with_one_block_of_headers(watch, told):
    with Connection(watch.path) as connection:
        connection.send(fastcgi.request(told))
        answer = connection.answer()
    assert 200 <= answer.status < 500, answer
    assert not answer.all("X") and len(answer.all("X-Request-Id")) == 1, answer.headers


def test_a_request_that_is_cut_anywhere_is_no_request(watch):
    for count in range(len(REQUEST)):
        assert no_answer(attack(watch, REQUEST[:count])), f"cut after {count}"


def test_a_request_byte_by_byte_is_answered(watch):
    with Connection(watch.path) as connection:
        for at in range(len(REQUEST)):
            connection.send(REQUEST[at:at + 1])
        assert connection.answer().status == 200


def test_who_closes_in_the_middle_of_an_answer_costs_nothing(watch):
    for after in (0, 1, 8, 100, 1_000):
        for _ in range(10):
            with Connection(watch.path) as connection:
                connection.send(REQUEST)
                if after:
                    connection.socket.recv(after)


def test_hundreds_that_never_end_their_request_take_nothing_from_others(world, watch):
    """Each stays with a worker until `readTimeout`; so there are fewer than workers (128)."""
    beginnings = [begin(), begin() + TOLD, begin() + TOLD + record(STDIN, 1, b"x"), begin() + TOLD[:30], REQUEST[:3]]
    held = []
    try:
        for number in range(100):
            held.append(Connection(watch.path))
            held[-1].send(beginnings[number % len(beginnings)])
        for _ in range(20):
            watch.good()
        # And connections that send nothing at all cost no worker.
        for _ in range(600):
            held.append(Connection(watch.path))
        for _ in range(20):
            watch.good()
    finally:
        for connection in held:
            connection.close()


def test_who_never_ends_the_body_is_ended_at_its_time_even_where_it_has_all_workers(world):
    """Four workers, and four peers that send a byte of a body now and then: `readTimeout` (10 s) frees the workers."""
    with folder() as place:
        with Stack(place, world.root, WORKERS=4) as stack:
            watch = Watch(stack)
            held = [Connection(watch.path) for _ in range(4)]
            for connection in held:
                connection.send(begin() + TOLD)

            def drip(stop, _):
                alive = held
                while alive and not stop.wait(0.5):
                    alive = [one for one in alive if one.send(record(STDIN, 1, b"x"))]

            with beside(drip):
                begun = time.monotonic()
                watch.good(seconds=19)
                took = time.monotonic() - begun
            for connection in held:
                connection.close()
            watch.same()
            print(f"with all workers held a good request took {took:.1f} s")


def altered(chance):
    """A request, or several, with some bytes, lengths or records changed."""
    records = [begin(keep=chance.random() < 0.5),
               *(record(PARAMETERS, 1, pairs([pair]), padding=chance.choice((0, 0, 1, 7))) for pair in GOOD),
               record(PARAMETERS), record(STDIN, 1, bytes(chance.randrange(40))), record(STDIN)]
    for _ in range(chance.choice((0, 0, 1, 1, 2, 5))):
        match chance.randrange(5):
            case 0:
                records.insert(chance.randrange(len(records) + 1), chance.choice(records))
            case 1:
                del records[chance.randrange(len(records))]
            case 2:
                chance.shuffle(records)
            case 3:
                records.insert(chance.randrange(len(records) + 1),
                               record(chance.randrange(256), chance.choice((0, 1, 2)), chance.randbytes(
                                   chance.choice((0, 1, 8, 200, 3_000))), padding=chance.randrange(256)))
            case 4:
                at = chance.randrange(len(records))
                records[at] = records[at][:chance.randrange(len(records[at]) + 1)]
        if not records:
            break
    data = bytearray(b"".join(records))
    for _ in range(chance.choice((0, 1, 1, 2, 4, 16)) if data else 0):
        data[chance.randrange(len(data))] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
    return bytes(data)


def test_altered_requests_end_at_most_their_own_connection(watch, seed):
    chance = random.Random(f"altered {seed}")
    end, count, answered = time.monotonic() + FUZZ_SECONDS, 0, 0
    while time.monotonic() < end:
        for _ in range(50):
            with Connection(watch.path) as connection:
                data = altered(chance)
                connection.send(data)
                if chance.random() < 0.2:
                    continue  # Closed at once, whatever is under way.
                connection.finish()
                answered += not no_answer(connection.rest())
                count += 1
        watch.good()
        assert watch.stack.gateway.pid == watch.pid and watch.stack.gateway.runs, f"SEED={seed}, after {count}"
    assert 0 < answered < count, (answered, count)
    print(f"{count} altered requests, {answered} of them answered")


def test_the_gateway_said_nothing_of_a_fault(watch):
    """A peer's fault is no line of an error of ours."""
    said = watch.stack.gateway.said()
    assert "Fatal" not in said and "error gateway" not in said, said[-3000:]
