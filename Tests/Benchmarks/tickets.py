"""Tickets: how many are accepted, how fast they are replayed, what they cost when all is well; beside Celery.

Ours over HTTPS (h2load, HTTP/1.1), with SQLite alone and with a broker; the daemon is away, so each request becomes a
ticket. Celery by an HTTP endpoint (Flask under gunicorn, 2 processes of 32 threads, behind an nginx with the same TLS),
and bare: apply_async in a loop, without any HTTP. One RabbitMQ node for all, on the same disk; ours and Celery's queue
are quorum queues, messages persistent and confirmed.
"""

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import load
import machine
import peers
from machine import Server, free_port

sys.path.append(os.path.join(os.path.dirname(peers.HERE), "Client"))

from stack import Brokers, Stack, tree_key, until  # noqa: E402

CLIENTS = (1, 64)
TARGET = peers.TARGET
# Bounds that this load does not reach.
WIDE = dict(BACKLOG_TICKETS=1_000_000, BACKLOG_BYTES=8 << 30)


@dataclass
class Figures:
    # {(who, clients): [accepted a second, a round each]}
    accepted: dict = field(default_factory=dict)
    cpu: dict = field(default_factory=dict)  # {(who, clients): [{process: µs a ticket}]}
    replay: dict = field(default_factory=dict)  # {what: (tickets, [a second])}
    live: list = field(default_factory=list)  # Milliseconds of live requests while tickets are replayed.
    first: list = field(default_factory=list)  # Milliseconds from a daemon's start to a ticket's answer.
    well: list = field(default_factory=list)  # load.Row: requests when all is well.
    is_store_untouched: bool = False

    def note(self, who, clients, rate, cpu=None):
        self.accepted.setdefault((who, clients), []).append(rate)
        if cpu:
            self.cpu.setdefault((who, clients), []).append(cpu)


ALONE, BROKER, CONFIRMED = "Pasarela, SQLite alone", "Pasarela, with a broker", "Pasarela, to the last confirm"
HTTP, BARE = "Celery, HTTPS endpoint", "Celery, bare apply_async"


def measure(folder, root, binaries, python, rounds, seconds, quiet, tell):
    figures = Figures()
    with ExitStack() as exits:
        os.makedirs(folder)
        os.chmod(folder, 0o755)
        tell("tickets: starting a broker, four stacks and Celery")
        brokers = exits.enter_context(Brokers(folder, 1))
        shared = dict(RABBITMQ_URL=brokers.url(), TREE_KEY_FILE=tree_key(folder))
        ours = {
            name: exits.enter_context(Stack(folder, root, name, binaries=binaries, **given))
            for name, given in {
                "alone": dict(PATIENCE=0, **WIDE),
                "broker": dict(PATIENCE=0, TREE="bench", **WIDE, **shared),
                "well": dict(PATIENCE=0, **WIDE),
                "well-broker": dict(TREE="bench-well", **shared)}.items()}
        endpoint = exits.enter_context(_celery(folder, root, brokers, python, ours["alone"]))
        _accepting(figures, ours, endpoint, brokers, python, root, rounds, seconds, quiet, tell)
        tell("tickets: replay")
        _replaying(figures, ours["well"], min(rounds, 3), quiet)
        _returning(figures, ours["well"], 2 * rounds + 1)
        tell("tickets: cost when all is well")
        _well(figures, ours["well"], ours["well-broker"], rounds, seconds, quiet)
    return figures


# Accepting

def _accepting(figures, ours, endpoint, brokers, python, root, rounds, seconds, quiet, tell):
    for name in ("alone", "broker"):
        ours[name].mserv1.end()
    url, members = endpoint
    rates = {}

    def accept(who, url, clients, members):
        count = int(min(60_000, max(clients * 4, rates.get((who, clients), 200) * seconds)))
        before = {pid: machine.cpu_seconds(pid) for pid in members}
        begun = time.monotonic()
        rate, times, failed = load.h2load(url + TARGET, clients, count, limit=60, status="202")
        if failed:
            raise RuntimeError(f"{who}: {failed} of {count} requests were not accepted")
        cpu = {}
        for pid, name in members.items():
            spent = (machine.cpu_seconds(pid) - before[pid]) / count * 1e6
            cpu[name] = cpu.get(name, 0) + spent
        rates[who, clients] = rate
        return count, begun, rate, cpu

    for turn in range(-1, rounds):  # The first one warms up, and finds out how fast it is.
        tell(f"tickets: accepting, {'warming up' if turn < 0 else f'round {turn + 1} of {rounds}'}")
        for clients in CLIENTS:
            quiet.wait()
            _, _, rate, cpu = accept(ALONE, ours["alone"].url, clients, _members(ours["alone"]))
            if turn >= 0:
                figures.note(ALONE, clients, rate, cpu)
            quiet.wait()
            stack = ours["broker"]
            count, begun, rate, cpu = accept(BROKER, stack.url, clients, _members(stack))
            until(lambda: stack.metrics()["pasarela_tickets_unannounced"] == 0, "the last confirm", 60)
            if turn >= 0:
                figures.note(BROKER, clients, rate, cpu)
                figures.note(CONFIRMED, clients, count / (time.monotonic() - begun))
            brokers.ctl(1, "purge_queue", "pasarela.bench.mserv1")
            quiet.wait()
            count, _, rate, cpu = accept(HTTP, url, clients, members)
            _purge_celery(brokers, at_least=count)
            if turn >= 0:
                figures.note(HTTP, clients, rate, cpu)
                quiet.wait()
                figures.note(BARE, clients, _bare(clients, python, brokers, root, seconds))
                _purge_celery(brokers, at_least=1)


def _members(stack):
    """{pid: name} of a stack's processes that take part in accepting."""
    return {stack.gateway.pid: "gateway", stack.nginx.pid: "nginx", **{pid: "nginx" for pid in stack.workers()}}


def _environment(brokers, root):
    return {"BENCH_BROKER": brokers.urls[0], "BENCH_ROOT": root, "PYTHONDONTWRITEBYTECODE": "1"}


def _bare(clients, python, brokers, root, seconds):
    """Bare apply_async from as many threads as clients, in two processes where there are many."""
    processes = 1 if clients == 1 else 2
    start = time.time() + 2
    running = [subprocess.Popen(
        [python, f"{peers.HERE}/celery_bare.py", str(clients // processes), str(start), str(seconds)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, **_environment(brokers, root)})
        for _ in range(processes)]
    told = [process.communicate(timeout=60)[0] for process in running]
    return sum(map(int, told)) / seconds


def _purge_celery(brokers, at_least):
    """Forgets Celery's tasks; they must all have been there."""
    until(lambda: int(brokers.queues(1, "messages")["celery-bench"][0]) >= at_least, f"{at_least} tasks of Celery", 10)
    brokers.ctl(1, "purge_queue", "celery-bench")


CELERY_NGINX = """daemon off;
{user}
worker_processes auto;
worker_rlimit_nofile 9216;
pid "{folder}/nginx.pid";
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_timeout 65s;
    keepalive_requests 100000;
    client_body_temp_path "{folder}/body";
    fastcgi_temp_path "{folder}/fastcgi";
    proxy_temp_path "{folder}/proxy";
    scgi_temp_path "{folder}/scgi";
    uwsgi_temp_path "{folder}/uwsgi";
    ssl_certificate "{certificate}";
    ssl_certificate_key "{key}";
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:2m;
    ssl_session_tickets off;
    upstream endpoint {{
        server "unix:{folder}/endpoint.sock" max_fails=0;
        keepalive 64;
        keepalive_requests 100000;
    }}
    server {{
        listen 127.0.0.1:{port} ssl http2;
        location / {{
            proxy_pass http://endpoint;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""


@contextmanager
def _celery(folder, root, brokers, python, stack):
    """The HTTP endpoint: (base URL, {pid: name})."""
    place, port = f"{folder}/celery", free_port()
    os.mkdir(place)
    with open(f"{place}/nginx.conf", "w") as file:
        file.write(CELERY_NGINX.format(
            folder=place, certificate=stack.certificate, key=stack.key, port=port,
            user="user www-data;" if os.getuid() == 0 else ""))
    gunicorn = Server(
        [python, "-m", "gunicorn", "--workers", "2", "--threads", "32", "--worker-class", "gthread", "--umask", "0",
         "--keep-alive", "60", "--bind", f"unix:{place}/endpoint.sock", "--chdir", peers.HERE, "celery_endpoint:server"],
        f"{place}/gunicorn.log", _environment(brokers, root))
    nginx = Server(["nginx", "-p", place, "-c", f"{place}/nginx.conf"], f"{place}/nginx.log")
    with gunicorn, nginx:
        url, web = f"https://localhost:{port}", peers.Web(stack.certificate)
        gunicorn.until(lambda: b"en_espera" in web.get(url + TARGET))
        yield url, {
            nginx.pid: "nginx", **machine.descendants(nginx.pid), gunicorn.pid: "gunicorn",
            **{pid: "gunicorn" for pid in machine.descendants(gunicorn.pid)}}


# Replay

def _replaying(figures, stack, rounds, quiet):
    """A herd of tickets when the daemon is back: as fast as is allowed, and what live requests notice of it."""
    count = 2_000
    for _ in range(rounds):
        stack.mserv1.end()
        load.h2load(stack.url + TARGET, 16, count, status="202")
        quiet.wait()
        begun = time.monotonic()
        stack.mserv1.start()
        stack.daemon_is("mserv1", "bien")
        while _waiting(stack) > 0:
            asked = time.monotonic()
            answer = stack.client.ask(TARGET + "&encolar=no")
            if answer.status != 200:
                raise RuntimeError(f"a live request got {answer.status} while tickets were replayed")
            figures.live.append((time.monotonic() - asked) * 1000)
        figures.replay.setdefault(count, []).append(count / (time.monotonic() - begun))


def _waiting(stack):
    return sum(value for name, value in stack.metrics().items() if name.startswith("pasarela_tickets_waiting"))


def _returning(figures, stack, rounds):
    """From a daemon's start to the answer of a ticket that somebody waits for."""
    for _ in range(rounds):
        stack.mserv1.end()
        place = stack.client.ask(TARGET).one("Location")
        told = []

        def wait():
            one = stack.client.another()
            while one.ask(place, {"Prefer": "wait=30"}).status != 303:
                pass
            told.append(time.monotonic())
            one.close()

        waiting = threading.Thread(target=wait)
        waiting.start()
        begun = time.monotonic()
        stack.mserv1.start()
        waiting.join(40)
        figures.first.append((told[0] - begun) * 1000)
    figures.first.sort()


# When all is well

def _well(figures, alone, broker, rounds, seconds, quiet):
    def members(stack):
        return {**_members(stack), stack.mserv1.pid: "mserv1"}

    for stack in (alone, broker):
        stack.wait()
    asked = (
        ("no ticket possible (encolar=no)", f"{alone.url}{TARGET}&encolar=no", alone),
        ("tickets, SQLite alone", alone.url + TARGET, alone),
        ("tickets, with a broker", broker.url + TARGET, broker))
    rows = [load.Row(_asked(name, url, members(stack)), clients, seconds=seconds)
            for clients in (1, 32) for name, url, stack in asked]
    for row in rows:
        row.warm_up()
    before = _state(alone), _state(broker)
    for _ in range(rounds):
        for row in rows:
            quiet.wait()
            row.measure()
    figures.well = rows
    figures.is_store_untouched = before == (_state(alone), _state(broker))


def _asked(name, url, members):
    """A peer of which only this URL is asked."""
    return peers.Peer(name, lambda _: url, members, names=None)


def _state(stack):
    """Sizes and times of all files in a state folder."""
    found = {}
    for name in sorted(os.listdir(stack.state)):
        status = os.stat(f"{stack.state}/{name}")
        found[name] = status.st_size, status.st_mtime_ns
    return found
