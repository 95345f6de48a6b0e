"""Whole Pasarelas of a test's own: nginx, gateway, mserv1, mserv2, and broker nodes, each started, stopped, frozen
and killed by the test.

Parts are started from the main thread only: the kernel ends them (SIGTERM) when the thread that started them ends,
so that nothing is left behind by a test that was killed.

    BIN   where gateway, mserv1 and mserv2 are (.build/release of the repository)
"""

import contextlib
import ctypes
import os
import random
import re
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import oracle
from client import Client

REPOSITORY = Path(__file__).resolve().parents[2]
BINARIES = os.environ.get("BIN") or str(REPOSITORY / ".build" / "release")
PARTS = ("mserv1", "mserv2", "gateway", "nginx")
UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]

_libc = ctypes.CDLL(None)


def _die_with_parent():
    _libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def until(condition, what, seconds=30.0, pause=0.01):
    """The first true value of `condition()`; nothing tells of it, so it is looked at again and again."""
    deadline = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(pause)


def free_port():
    """A TCP port beneath the range that the kernel gives to clients (32,768 and up)."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


@contextlib.contextmanager
def folder(prefix="pasarela-test-"):
    """A folder that others may enter (nginx's workers have to), gone in the end."""
    path = tempfile.mkdtemp(prefix=prefix, dir="/tmp")
    os.chmod(path, 0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)  # What can't be removed is no matter of the test's.


def certificate(path):
    """A certificate and its key for localhost: (certificate, key)."""
    made = f"{path}/certificate.pem", f"{path}/key.pem"
    if not os.path.exists(made[0]):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
             made[1], "-out", made[0], "-days", "2", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
    return made


class Part:
    """A process that is started again and again; what it says is gathered in one log."""

    def __init__(self, name, command, log, environment):
        self.name, self.command, self.log, self.environment = name, command, log, environment
        self.process, self.frozen, self.begun = None, False, 0.0
        open(log, "ab").close()

    @property
    def pid(self):
        return self.process.pid if self.process else None

    @property
    def runs(self):
        return self.process is not None and self.process.poll() is None

    def start(self, **more):
        """`more`: further variables for this life of it."""
        assert threading.current_thread() is threading.main_thread(), "parts die with the thread that started them"
        assert not self.runs, f"{self.name} runs already"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_die_with_parent,
                start_new_session=True, env={**self.environment, **more})
        self.frozen, self.begun = False, time.monotonic()
        return self

    def send(self, number):
        if self.runs:
            os.kill(self.process.pid, number)

    def freeze(self):
        self.send(signal.SIGSTOP)
        self.frozen = True

    def thaw(self):
        self.send(signal.SIGCONT)
        self.frozen = False

    def end(self, number=signal.SIGTERM, seconds=20):
        """Ends it and waits for the end; its exit status, negative for a signal; None where it did not run."""
        if self.process is None:
            return None
        self.send(number)
        if self.frozen and number != signal.SIGKILL:
            self.thaw()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not end within {seconds} s of signal {number}") from None
        finally:
            # What a dead nginx leaves: its workers hold the port.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.frozen = False
        self.process = None
        return status

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()


class Stack:
    """One host: nginx, gateway, mserv1, mserv2 with sockets, port and state of their own.

    `settings` are variables of the services without their PASARELA_ (`PATIENCE=0`).
    """

    def __init__(self, place, root, name="a", binaries=None, state=None, **settings):
        self.place, self.root, self.name = f"{place}/{name}", root, name
        self.binaries = binaries or BINARIES
        os.makedirs(self.place, exist_ok=True)
        for inner in ("sockets", "nginx"):
            os.makedirs(f"{self.place}/{inner}", exist_ok=True)
        self.state = state or f"{self.place}/state"
        os.makedirs(self.state, mode=0o700, exist_ok=True)
        self.runtime, self.port = f"{self.place}/sockets", free_port()
        self.url = f"https://localhost:{self.port}"
        self.certificate, self.key = certificate(place)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PASARELA_")}
        environment["PATH"] += ":/usr/sbin:/sbin"
        environment.setdefault("SWIFT_BACKTRACE", "enable=no")  # Else a crash keeps its sockets for 10 s.
        environment |= {"PASARELA_RUNTIME_DIR": self.runtime, "PASARELA_STATE_DIR": self.state,
                        "PASARELA_ROOT": os.fsdecode(root), "PASARELA_HIDDEN": "yes"}
        environment |= {f"PASARELA_{key}": str(value) for key, value in settings.items()}
        self.environment = environment
        # Root reads every folder; the services must not, or what they may not read could not be tested.
        guard = UNPRIVILEGED if os.getuid() == 0 else []
        commands = {service: [*guard, f"{self.binaries}/{service}"] for service in PARTS[:3]}
        commands["nginx"] = ["nginx", "-p", f"{self.place}/nginx", "-c", f"{self.place}/nginx.conf"]
        self.parts = {part: Part(part, commands[part], f"{self.place}/{part}.log", environment) for part in PARTS}
        self.mserv1, self.mserv2, self.gateway, self.nginx = (self.parts[part] for part in PARTS)
        self._client = None

    def _render(self):
        rendered = subprocess.run(
            [str(REPOSITORY / "nginx" / "render"), f"PREFIX={self.place}/nginx", f"CERTIFICATE={self.certificate}",
             f"KEY={self.key}", f"GATEWAY_SOCKET={self.runtime}/gateway.sock", f"PORT={self.port}",
             f"WWW={self.www()}", f"ACCESS_LOG={self.place}/access.log"],
            check=True, capture_output=True, text=True)
        with open(f"{self.place}/nginx.conf", "w", encoding="utf-8") as file:
            file.write(rendered.stdout)

    def www(self):
        """A copy: nginx's workers may not be able to enter the folders above the repository."""
        path = f"{self.place}/www"
        if not os.path.exists(path):
            shutil.copytree(REPOSITORY / "nginx" / "www", path)
            subprocess.run(["chmod", "-R", "a+rX", path], check=True)
        return path

    def start(self, *parts):
        """Starts all, or the parts named, and waits for what was started."""
        if not parts:
            self._render()
        for part in parts or PARTS:
            self.parts[part].start()
        self.wait(*parts)
        return self

    def wait(self, *parts, seconds=20):
        """Until the parts (all: the whole way) answer."""
        for part in parts or PARTS:
            if part != "nginx":
                self.listens(part)
            elif self.gateway.runs:
                until(self.readiness, "nginx to answer", seconds)
            if part in PARTS[:2] and parts and self.gateway.runs and self.nginx.runs:
                self.daemon_is(part, "bien", seconds)
        if not parts:
            until(lambda: self.client.ask("/salud/listo", checked=False).status == 200, "readiness", seconds)

    def listens(self, part):
        """Until somebody accepts on the socket of a part."""
        path = f"{self.runtime}/{part}.sock"

        def connects():
            assert self.parts[part].runs, f"{part} has ended: {self.parts[part].said()[-2000:]}"
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(path)
                    return True
                except OSError:
                    return False

        until(connects, f"{part} to listen")

    def readiness(self):
        """The document of /salud/listo, or None where there is no answer."""
        try:
            return self.client.ask("/salud/listo", checked=False).json()
        except (OSError, AssertionError, ValueError):
            return None

    def daemon_is(self, part, state, seconds=20):
        def so():
            found = self.readiness()
            return found and found.get("partes", {}).get(part, {}).get("estado") == state

        until(so, f"{part} to be {state}", seconds)

    def backlog(self, part="backlog"):
        """What /salud/listo says of the backlog, or of the broker (`rabbitmq`)."""
        return (self.readiness() or {}).get("partes", {}).get(part, {})

    def stop(self):
        for part in reversed(PARTS):
            with contextlib.suppress(AssertionError):
                self.parts[part].end(seconds=10)
        if self._client:
            self._client.close()

    @property
    def client(self):
        if self._client is None:
            self._client = Client(self.url, self.certificate)
        return self._client

    def workers(self):
        """The pids of nginx's workers."""
        if not self.nginx.runs:
            return []
        with contextlib.suppress(OSError):
            with open(f"/proc/{self.nginx.pid}/task/{self.nginx.pid}/children", encoding="ascii") as file:
                return [int(word) for word in file.read().split()]
        return []

    def metrics(self):
        """/metricas as {line's name with its labels: value}; only from loopback, so straight."""
        answer = self.client.ask("/metricas", checked=False)
        assert answer.status == 200, answer
        lines = [line for line in answer.body.decode().splitlines() if line and not line.startswith("#")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    def operate(self, *arguments):
        """`gateway backlog …` beside the running gateway: what came of it."""
        return subprocess.run([*self.gateway.command, "backlog", *arguments], env=self.environment, timeout=30,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def logs(self):
        """What the parts said, for a test that failed."""
        return "\n".join(f"---- {self.name}/{part}\n{self.parts[part].said()[-4000:]}" for part in PARTS)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            print(self.logs())
            self.stop()
            raise

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.logs())
        self.stop()


class Relay:
    """A TCP port in front of another one that can be cut (connections reset, new ones refused) or stalled (nothing
    passes, nothing is closed)."""

    def __init__(self, target):
        self.target, self.port = target, free_port()
        self.url = f"127.0.0.1:{self.port}"
        self._lock, self._stop, self._open = threading.Lock(), threading.Event(), threading.Event()
        self._pairs, self._listener, self._thread = {}, None, None
        self._open.set()
        self._wake, self._woken = os.pipe()
        self.mend()

    def mend(self):
        """As if nothing had been."""
        self._open.set()
        if self._thread is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
            self._thread.start()

    def stall(self):
        self._open.clear()

    def cut(self):
        if self._thread is None:
            return
        self._stop.set()
        self._open.set()
        self._thread.join()
        self._thread = None

    close = cut

    def _run(self):
        selector = selectors.DefaultSelector()
        selector.register(self._listener, selectors.EVENT_READ)
        pairs = {}

        def drop(one):
            for end in (one, pairs.pop(one, None)):
                if end is None:
                    continue
                pairs.pop(end, None)
                with contextlib.suppress(KeyError, ValueError):
                    selector.unregister(end)
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # A reset.
                end.close()

        try:
            while not self._stop.is_set():
                if not self._open.is_set():
                    self._open.wait(0.05)
                    continue
                for key, _ in selector.select(0.05):
                    one = key.fileobj
                    if one is self._listener:
                        near, _ = one.accept()
                        try:
                            far = socket.create_connection(("127.0.0.1", self.target), timeout=2)
                        except OSError:
                            near.close()
                            continue
                        pairs[near], pairs[far] = far, near
                        for end in (near, far):
                            end.settimeout(10)
                            selector.register(end, selectors.EVENT_READ)
                    elif one in pairs:
                        try:
                            data = one.recv(1 << 16)
                            if data:
                                pairs[one].sendall(data)
                                continue
                        except OSError:
                            pass
                        drop(one)
        finally:
            for one in list(pairs):
                drop(one)
            self._listener.close()
            selector.close()


class Brokers:
    """Nodes of RabbitMQ, one cluster, in a folder of their own, by systemd/local/broker."""

    SCRIPT = str(REPOSITORY / "systemd" / "local" / "broker")

    def __init__(self, place, count=1):
        self.place, self.count, self.urls, self.relays, self.starts = f"{place}/broker", count, [], [], {}

    def _run(self, *arguments, seconds=300):
        done = subprocess.run([self.SCRIPT, self.place, *map(str, arguments)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=seconds)
        assert done.returncode == 0, (arguments, done.stdout[-2000:], done.stderr[-3000:])
        return done.stdout

    def start(self):
        self.urls = self._run("start", self.count, f"FOLLOW={os.getpid()}").split()
        return self

    @property
    def nodes(self):
        return range(1, self.count + 1)

    def port(self, node):
        return int(self.urls[node - 1].rpartition(":")[2])

    def url(self, ports=None):
        """What PASARELA_RABBITMQ_URL takes: all nodes, or those ports."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports or map(self.port, self.nodes))
        return f"amqp://guest:guest@{hosts}"

    def behind_relays(self):
        """The same, each node through a relay (`relays`)."""
        if not self.relays:
            self.relays = [Relay(self.port(node)) for node in self.nodes]
        return self.url([relay.port for relay in self.relays])

    def pid(self, node):
        with contextlib.suppress(OSError, ValueError), open(f"{self.place}/{node}/pid", encoding="ascii") as file:
            pid = int(file.read())
            os.kill(pid, 0)
            return pid
        return None

    def send(self, node, number):
        """A signal for a node; False where it does not run."""
        pid = self.pid(node)
        if pid is not None:
            os.kill(pid, number)
        return pid is not None

    def kill(self, node):
        assert (pid := self.pid(node)) is not None, f"node {node} does not run"
        os.kill(pid, signal.SIGKILL)
        until(lambda: not os.path.exists(f"/proc/{pid}"), f"the death of node {node}")

    def again(self, node):
        """Starts a node that died and waits until it serves."""
        self._run("again", node)

    def begin_again(self, node):
        """The same without waiting; `finish` waits for all."""
        self.starts[node] = subprocess.Popen([self.SCRIPT, self.place, "again", str(node)], stdin=subprocess.DEVNULL,
                                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def is_starting(self, node):
        return node in self.starts and self.starts[node].poll() is None

    def finish(self, seconds=90):
        for node in self.nodes:
            self.send(node, signal.SIGCONT)
        for node, started in list(self.starts.items()):
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(seconds)
            if started.poll() is None:
                started.kill()
        self.starts.clear()
        for node in self.nodes:
            if self.pid(node) is None:
                self.again(node)

    def ctl(self, node, *arguments, seconds=120):
        """What rabbitmqctl says of node 1…"""
        return self._run("ctl", node, *arguments, seconds=seconds)

    def queues(self, node, *columns):
        """{queue's name: its columns} as a node tells them."""
        told = self.ctl(node, "--silent", "list_queues", "name", *columns)
        rows = [line.split("\t") for line in told.splitlines() if line.strip()]
        return {row[0]: row[1:] for row in rows if row[0] != "name"}

    def leader(self, queue, ask):
        """The number of the node that leads a quorum queue, as node `ask` knows it."""
        told = self.queues(ask, "leader").get(queue)
        assert told, f"there is no queue {queue}: {self.queues(ask)}"
        return int(re.match(r"n(\d)-", told[0])[1])

    def stop(self):
        for started in self.starts.values():
            if started.poll() is None:
                started.kill()
        for relay in self.relays:
            relay.close()
        self._run("stop")

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            with contextlib.suppress(AssertionError):
                self.stop()
            raise

    def __exit__(self, *_):
        self.stop()


@contextlib.contextmanager
def beside(work, threads=1, name="load"):
    """Runs `work(stop)` in threads while the body runs; `stop.is_set()` tells them to end. What they raise is raised."""
    stop, failures = threading.Event(), []

    def run(number):
        try:
            work(stop, number)
        except BaseException as failure:  # Told to the main thread below.
            failures.append(failure)

    running = [threading.Thread(target=run, args=(n,), name=f"{name} {n}", daemon=True) for n in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield stop
    finally:
        stop.set()
        for thread in running:
            thread.join(60)
    if failures:
        raise failures[0]


# What a test asks and what comes back

HEX = re.compile("[0-9a-f]{32}")


def accepted(answer):
    """The path of the ticket in a 202."""
    assert answer.status == 202, (answer.status, answer.target, answer.body[:400])
    place = answer.one("Location")
    assert place.startswith("/solicitudes/") and HEX.fullmatch(place.removeprefix("/solicitudes/")), place
    return place


def answered(client, place, seconds=30):
    """The answer of a ticket: waits for it as the contract says, follows its 303."""
    deadline = time.monotonic() + seconds
    while True:
        answer = client.ask(place, {"Prefer": "wait=5"})
        if answer.status == 303:
            assert answer.one("Location") == place + "/resultado", answer.headers
            return client.ask(place + "/resultado")
        assert answer.status == 200, (answer.status, place, answer.body[:400])
        state = answer.json()["solicitud"]["estado"]
        assert state in ("en_espera", "en_proceso"), answer.body
        assert time.monotonic() < deadline, f"{place} is still {state} after {seconds} s"


def plain_tree(root, folders=8, files=40):
    """A tree that stays as it is: folders carpeta-0… with files of different names, sizes and times."""
    for number in range(folders):
        path = f"{root}/carpeta-{number}"
        os.makedirs(path)
        for file in range(files + number):
            name = f"{path}/f{number}-{file}.txt"
            with open(name, "wb") as made:
                made.write(b"x" * (number * 100 + file))
            os.utime(name, ns=(0, 1_700_000_000_123_456_789 + number * 10**9 * 1000 + file * 10**6))
    return oracle.read(root)


def check_listing(document, tree, ruta, limite, **query):
    """A page of JSON against the oracle; the first page of the query."""
    expected = oracle.listing(tree, ruta.encode(), **query)
    assert document["ruta"] == ruta, document["ruta"]
    assert document["entradas"] == expected.entries[:limite], (ruta, limite)
    assert ("cursor" in document) == (len(expected.entries) > limite), document.keys()
    assert document["completo"] is True and document["avisos"] == [], document


def check_search(document, tree, ruta, q, limite):
    expected = oracle.search(tree, ruta.encode(), q)
    assert document["ruta"] == ruta, document["ruta"]
    assert document["entradas"] == expected.entries[:limite], (ruta, q, limite)
    assert ("cursor" in document) == (len(expected.entries) > limite), document.keys()
    assert document["completo"] is True, document


def tree_key(place):
    """A file with a key that the gateways of a tree share."""
    path = f"{place}/tree.key"
    if not os.path.exists(path):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
    return path
