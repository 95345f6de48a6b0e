"""More clients than workers, connections by the hundred thousand, restarts, and clients that are slow on purpose:
nobody is lost, nothing is left behind, and who asks quietly hardly notices.

    CONNECTIONS   how many connections to the gateway are opened and closed (100,000)
"""

import asyncio
import contextlib
import http.client
import os
import re
import signal
import ssl
import statistics
import subprocess
import threading
import time
from collections import Counter

import pytest

import fastcgi_client as fastcgi
from client import target
from stack import PARTS, Stack, beside, check_listing, folder, plain_tree, until

L, S = "/listar_archivos", "/buscar_archivos"
CONNECTIONS = int(os.environ.get("CONNECTIONS", "100000"))
DEADLINE = 10  # PASARELA_DEADLINE, in seconds.


@pytest.fixture(scope="module")
def world():
    with folder() as place:
        root = f"{place}/root"
        tree = plain_tree(root)
        os.mkdir(f"{root}/grande")
        for number in range(1_000):
            open(os.path.join(root.encode(), b"grande", b"%04d" % number + b"\xff" * 240), "wb").close()
        with Stack(place, root, LOG_REQUESTS="no") as stack:
            yield stack, tree


# Many at once

class Crowd:
    """Clients with a kept connection each, all at the same time."""

    def __init__(self, stack):
        self.stack, self.context = stack, ssl.create_default_context(cafile=stack.certificate)
        self.statuses, self.slowest, self.refused = Counter(), 0.0, 0

    async def _client(self, number, asked, gate):
        reader, writer = await asyncio.open_connection("localhost", self.stack.port, ssl=self.context)
        try:
            await gate.wait()
            for turn in range(len(asked)):
                begun = time.monotonic()
                while True:
                    status, headers, body = await self._ask(reader, writer, asked[turn])
                    self.statuses[status] += 1
                    if status != 503:
                        break
                    # Told to come again: then it must not be told so until its time is over.
                    assert b'"sobrecarga"' in body, body
                    self.refused += 1
                    await asyncio.sleep(int(headers["retry-after"]))
                took = time.monotonic() - begun
                self.slowest = max(self.slowest, took)
                assert status == 200 and body.endswith(b"}\n"), (number, status, body[:200])
                expected = re.search(r"ruta=(/[a-z0-9-]+)", asked[turn])[1]
                assert body.startswith(b'{"ruta":"%s",' % expected.encode()), (asked[turn], body[:100])
        finally:
            writer.close()

    async def _ask(self, reader, writer, asked):
        writer.write(f"GET {asked} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        assert headers.get("connection", "keep-alive") == "keep-alive", head
        return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))

    async def _all(self, requests):
        gate = asyncio.Event()
        clients = [asyncio.create_task(self._client(number, asked, gate)) for number, asked in enumerate(requests)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.wait_for(asyncio.gather(*clients), 120)

    def run(self, requests):
        asyncio.run(self._all(requests))
        return self


def test_512_clients_with_kept_connections_are_all_answered_within_the_deadline(world):
    """Four times as many as the gateway has workers, eight times as many as nginx keeps connections to it."""
    stack, _ = world
    requests = [[f"{L if (number + turn) % 2 else S}?ruta=/carpeta-{(number + turn) % 8}&tipo=archivo&limite={1 + turn}"
                 for turn in range(10)] for number in range(512)]
    crowd = Crowd(stack).run(requests)
    assert crowd.statuses == {200: 5_120}, crowd.statuses
    assert crowd.slowest < DEADLINE, crowd.slowest
    print(f"the slowest of {crowd.statuses} took {crowd.slowest:.2f} s")


def test_512_clients_who_all_ask_for_something_else_lose_nothing(world):
    """No call is shared; who is told that it is too much at once (Retry-After) has an answer in time all the same."""
    stack, _ = world
    requests = [[f"{L}?ruta=/carpeta-{turn}&limite={1 + number}" for turn in range(8)] for number in range(512)]
    crowd = Crowd(stack).run(requests)
    assert set(crowd.statuses) <= {200, 503} and crowd.statuses[200] == 4_096, crowd.statuses
    assert crowd.slowest < DEADLINE, crowd.slowest
    print(f"the slowest of {crowd.statuses} took {crowd.slowest:.2f} s; told to come again: {crowd.refused}")


# Nothing is left behind

def counted(pid, what="fd"):
    return len(os.listdir(f"/proc/{pid}/{what}"))


def memory(pid):
    """The process' own share of memory (PSS), in MiB."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return int(re.search(r"^Pss:\s+(\d+) kB", file.read(), re.M)[1]) / 1_024


def settles(pid, descriptors, threads, what):
    """The process has no more of either than before, or soon."""
    until(lambda: counted(pid) <= descriptors and counted(pid, "task") <= threads,
          f"{what}: {descriptors} descriptors and {threads} threads, not {counted(pid)} and {counted(pid, 'task')}", 20)


def test_connections_opened_and_closed_leave_nothing_behind(world):
    """Of ten connections seven do nothing, two ask for something, and one breaks off."""
    stack, _ = world
    path, pid = f"{stack.runtime}/gateway.sock", stack.gateway.pid
    good = fastcgi.request(fastcgi.parameters("/salud"))

    def open_and_close(count):
        for number in range(count):
            with fastcgi.Connection(path) as connection:
                match number % 10:
                    case 3 | 7:
                        connection.send(good)
                        assert connection.answer().status == 200
                    case 5:
                        connection.send(good[:number % len(good)])

    open_and_close(10_000)  # What is kept from the first ones on is there.
    settled = counted(pid), counted(pid, "task")
    before = memory(pid)
    open_and_close(CONNECTIONS)
    settles(pid, *settled, f"after {CONNECTIONS} connections")
    after = memory(pid)
    assert after - before < 4, f"{before:.1f} MiB grew to {after:.1f}"
    print(f"{CONNECTIONS} connections: {settled} descriptors and threads, {before:.2f} MiB before, {after:.2f} after")


@contextlib.contextmanager
def asked_all_the_time(stack, threads=6):
    """Requests beside what the body does; what fails is counted by its status or the error's name."""
    came, lock = Counter(), threading.Lock()

    def work(stop, number):
        one = stack.client.another()
        while not stop.is_set():
            try:
                key = one.ask(target(L, ruta=f"/carpeta-{number % 8}", limite=20), checked=False).status
            except OSError as failure:
                key = type(failure).__name__
                stop.wait(0.01)
            with lock:
                came[key] += 1
        one.close()

    with beside(work, threads):
        yield came


def more(came, count=50):
    goal = came[200] + count
    until(lambda: came[200] >= goal, f"{count} more answers")


def quiet(stack):
    """{part: its descriptors and threads} while nginx has no client and the gateway no nginx."""
    stack.client.close()
    stack.nginx.end()
    until(lambda: not connections(stack), "the end of nginx's connections to the gateway")
    found = {part: (counted(stack.parts[part].pid), counted(stack.parts[part].pid, "task")) for part in PARTS[:3]}
    stack.start("nginx")
    return found


def connections(stack):
    """How many connections to the gateway's socket are open."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
        return sum(1 for words in map(str.split, table)
                   if words[-1] == f"{stack.runtime}/gateway.sock" and words[5] == "03")


def test_reloads_and_restarts_of_nginx_leave_nothing_in_the_others(world):
    stack, tree = world
    with asked_all_the_time(stack) as came:
        more(came, 500)
    before = quiet(stack)
    with asked_all_the_time(stack) as came:
        for _ in range(10):
            more(came)
            stack.nginx.send(signal.SIGHUP)
        more(came)
        assert set(came) == {200}, f"a reload lost something: {came}"
        for _ in range(5):
            more(came)
            stack.nginx.end()
            stack.start("nginx")
        more(came)
    # A restart refuses connections for a moment, and cuts them.
    assert set(came) <= {200, "ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected", "SSLEOFError",
                         "BrokenPipeError"}, came
    until(lambda: len(stack.workers()) == len(os.sched_getaffinity(0)), "the end of nginx's old workers")
    after = quiet(stack)
    for part, (descriptors, threads) in after.items():
        assert descriptors <= before[part][0] and threads <= before[part][1], (part, before, after)
    check_listing(stack.client.get(L, ruta="/carpeta-1", limite=5).json(), tree, "/carpeta-1", 5)
    print(before, after, dict(came))


def test_restarts_of_the_gateway_leave_nothing_in_the_others(world):
    stack, tree = world

    def of_the_others():
        """While the gateway is away: nginx's workers and the daemons."""
        stack.client.close()
        stack.gateway.end()
        # Idle connections, nginx's to the gateway and the gateway's to the daemons, end with it.
        pids = [*stack.workers(), stack.mserv1.pid, stack.mserv2.pid]
        steady = [0]

        def settled():
            now = [counted(pid) for pid in pids]
            steady[:] = [steady[0] + 1, now] if steady[1:] == [now] else [0, now]
            return steady[0] >= 20 and now

        found = list(zip(pids, until(settled, "an end of the changes"), [counted(pid, "task") for pid in pids]))
        stack.start("gateway")
        return found

    with asked_all_the_time(stack) as came:
        more(came, 500)
    before = of_the_others()
    with asked_all_the_time(stack) as came:
        for number in range(10):
            more(came)
            stack.gateway.end(signal.SIGKILL if number % 2 else signal.SIGTERM)
            stack.start("gateway")
        more(came)
    assert set(came) <= {200, 202, 503}, came
    after = of_the_others()
    assert [pid for pid, _, _ in before] == [pid for pid, _, _ in after]
    for (pid, descriptors, threads), (_, later, threads_later) in zip(before, after):
        assert later <= descriptors and threads_later <= threads, (before, after)
    check_listing(stack.client.get(L, ruta="/carpeta-1", limite=5).json(), tree, "/carpeta-1", 5)
    print(before, after, dict(came))


# Slow on purpose

SMALL, LARGE = L + "?ruta=/grande&limite=200", L + "?ruta=/grande&limite=1000"  # 460 KB, 2.3 MB.
ATTACKS = {
    "headers that never end": (400, ["-H", "-x", "24"]),
    "a body that never ends": (400, ["-B", "-x", "10", "-s", "8192"]),
    "overlapping ranges": (400, ["-R", "-a", "1", "-b", "3000", "-t", "HEAD"]),
    # More than the gateway has workers.
    "an answer that is hardly read": (160, ["-X", "-w", "1", "-y", "16", "-n", "5", "-z", "16", "-k", "1"]),
}


class Quiet:
    """One client that asks one thing after the other."""

    def __init__(self, stack):
        context = ssl.create_default_context(cafile=stack.certificate)
        context.check_hostname = False
        self.connection = http.client.HTTPSConnection(
            "127.0.0.1", stack.port, context=context, timeout=30)

    def slowest(self, seconds=1.0, requests=200):
        """The 99th percentile of what its requests take, in ms."""
        took, end = [], time.monotonic() + seconds
        while time.monotonic() < end or len(took) < requests:
            begun = time.monotonic()
            self.connection.request("GET", f"{L}?ruta=/carpeta-1&limite={1 + len(took) % 40}")
            answer = self.connection.getresponse()
            assert answer.read() and answer.status == 200, answer.status
            took.append(time.monotonic() - begun)
        return (statistics.quantiles(took, n=100)[98] if len(took) > 1 else took[0]) * 1_000


def of_port(port):
    """How many connections to a port of this machine are established, as its server sees it."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        return sum(1 for words in map(str.split, table) if words[1].endswith(f":{port:04X}") and words[3] == "01")


@contextlib.contextmanager
def under_attack(stack, count, options, asked, is_answered=False):
    """While so many connections attack; `is_answered`: once what it asks for, which is work like any other's, is done."""
    answered = answers(stack)
    attack = subprocess.Popen(
        ["slowhttptest", *options, "-c", str(count), "-r", str(count), "-i", "1", "-l", "10", "-p", "5", "-v", "0",
         "-u", stack.url + asked], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if is_answered:
            until(lambda: answers(stack) - answered > count * 0.9, "the attack's requests", pause=0.1)
        else:
            until(lambda: of_port(stack.port) > count * 0.9, "the attack's connections")
        yield
        # Whoever had asked for ranges has its answer and is gone.
        assert attack.poll() is None or "-R" in options, "the attack ended before it was measured"
    finally:
        attack.kill()
        attack.wait()


def answers(stack):
    """How many lists the gateway has answered."""
    return stack.metrics()['pasarela_requests_total{route="/listar_archivos",status="200"}']


@pytest.mark.parametrize("count, options", ATTACKS.values(), ids=ATTACKS)
def test_slow_clients_do_not_double_what_a_quiet_one_waits(world, count, options):
    """The median of pairs, one with and one without the attack: three, and more where the machine is busy. 10 ms are
    what the attack's own work may cost on it."""
    stack, _ = world
    one = Quiet(stack)
    one.slowest(0.5)
    alone, attacked = [], []

    def holds():
        return statistics.median(attacked) < 2 * statistics.median(alone) + 10

    while len(alone) < 3 or (len(alone) < 9 and not holds()):
        alone.append(one.slowest())
        with under_attack(stack, count, options, SMALL, is_answered="-R" in options or "-X" in options):
            attacked.append(one.slowest())
        until(lambda: of_port(stack.port) <= 2, "the end of the attack's connections")
    print(f"p99 alone {alone}, attacked {attacked} ms")
    assert holds(), (alone, attacked)


def test_who_hardly_reads_the_largest_pages_takes_no_worker_from_others(world):
    with folder() as place:
        with Stack(place, world[0].root, WORKERS=32) as stack:
            one = Quiet(stack)
            one.slowest(0.5)
            count, options = ATTACKS["an answer that is hardly read"]
            with under_attack(stack, count, options, LARGE):
                worst, end = 0.0, time.monotonic() + 5
                while time.monotonic() < end:
                    begun = time.monotonic()
                    one.slowest(0, requests=1)
                    worst = max(worst, time.monotonic() - begun)
            assert worst < 2, f"a quiet client waited {worst:.1f} s"
