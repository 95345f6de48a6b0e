"""Loads over HTTPS by h2load: bounded in count and time; what one run told."""

import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

import machine

HTTP_1, HTTP_2 = "HTTP/1.1", "HTTP/2"


@dataclass
class Run:
    """One run of a peer."""

    rate: float  # Requests a second.
    p50: float  # Milliseconds.
    p99: float
    cpu: dict  # Process name to CPU microseconds a request.
    others: float  # Cores that neither the peer nor the load generator used.
    failed: int

    @property
    def cpu_sum(self):
        return sum(self.cpu.values())


@dataclass
class Row:
    """A peer at a number of clients, and its runs, a round each."""

    peer: object
    clients: int
    protocol: str = HTTP_1
    folders: tuple = ("flat100",)  # More than one: each client asks for all of them, in an order of its own.
    seconds: float = 1  # About how long a run takes.
    runs: list = field(default_factory=list)
    rate: float = 0  # As seen last: says how many requests fill a run.
    failed: int = 0  # In all runs.

    def warm_up(self):
        """Short runs, so that everything is mapped, connected and cached; finds out how fast it is."""
        for seconds in (0, 0.1, 0.2):
            with self._load() as load:
                self.rate = load.run(seconds)[0]

    def _load(self):
        if len(self.folders) > 1:
            return ManyFolders(self.peer, self.folders, self.clients)
        return OneFolder(self)

    def measure(self):
        with self._load() as load:
            pids = self.peer.members
            start, busy, own = time.monotonic(), machine.busy_seconds(), load.cpu_seconds()
            before = {pid: machine.cpu_seconds(pid) for pid in pids}
            self.rate, times, failed = load.run(self.seconds)
            after = {pid: machine.cpu_seconds(pid) for pid in pids}
            own, busy = load.cpu_seconds() - own, machine.busy_seconds() - busy
            others = (busy - own - sum(after.values()) + sum(before.values())) / (time.monotonic() - start)
        if not times:
            raise RuntimeError(f"{self.peer.name}: none of {failed} requests was answered with 200")
        cpu = dict.fromkeys(pids.values(), 0.0)
        for pid, name in pids.items():
            cpu[name] += (after[pid] - before[pid]) / (len(times) + failed) * 1e6
        self.failed += failed
        self.runs.append(Run(
            self.rate, times[len(times) // 2], times[int(len(times) * 0.99)], cpu, max(0.0, others), failed))


class OneFolder:
    """All clients ask for a row's folder, by one h2load."""

    def __init__(self, row):
        self.row = row

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def cpu_seconds(self):
        return machine.own_cpu_seconds()

    def run(self, seconds):
        """(requests a second, ascending milliseconds, failures)."""
        row = self.row
        count = int(min(200_000, max(row.clients * 4, row.rate * seconds)))
        return h2load(
            row.peer.url(row.folders[0]), row.clients, count, protocol=row.protocol, options=row.peer.options)


class ManyFolders:
    """Each client asks for all the folders, in an order of its own: a process of h2load each.

    The clients of one h2load all go through its URIs in the same order, from the first one on: they would ask for the
    same folder at the same time, which ours answers once for all. Processes start one by one: each is held (SIGSTOP) as
    soon as it has an answer, and all go on together.
    """

    def __init__(self, peer, folders, clients):
        self.peer, self.folders, self.clients = peer, folders, clients
        self.running = []

    def __enter__(self):
        self.place = tempfile.mkdtemp(prefix="pasarela-h2load-")
        try:
            for client in range(self.clients):
                self._start(client)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.running:
            process.kill()
            process.wait()
        shutil.rmtree(self.place)

    def _start(self, client):
        urls = [self.peer.url(folder) for folder in self.folders]
        random.Random(f"client {client}").shuffle(urls)
        log = f"{self.place}/{client}.log"
        with open(f"{self.place}/{client}.txt", "w") as file:
            file.write("\n".join(urls) + "\n")
        process = subprocess.Popen(
            [*_command(HTTP_1, 1, "-n200000", log), *self.peer.options, f"-i{self.place}/{client}.txt"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=machine.die_with_parent)
        self.running.append(process)
        deadline = time.monotonic() + 10
        while not os.path.exists(log) or not os.path.getsize(log):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"h2load of {self.peer.name} got no answer")
            time.sleep(0.0005)
        process.send_signal(signal.SIGSTOP)

    def cpu_seconds(self):
        return time.process_time() + sum(machine.cpu_seconds(process.pid) for process in self.running)

    def run(self, seconds):
        """(requests a second, ascending milliseconds, failures)."""
        begin = time.time()
        for process in self.running:
            process.send_signal(signal.SIGCONT)
        time.sleep(seconds)
        end = time.time()
        for process in self.running:
            process.send_signal(signal.SIGSTOP)
        done = []
        for client in range(self.clients):
            with open(f"{self.place}/{client}.log", "rb") as log:
                # Not the one that was under way while the client was held.
                done += [(status, taken) for start, status, taken in _logged(log)
                         if begin <= start / 1e6 and start / 1e6 + taken / 1000 <= end]
        times = sorted(taken for status, taken in done if status == "200")
        return len(times) / (end - begin), times, len(done) - len(times)


def h2load(url, clients, count, limit=30, status="200", protocol=HTTP_1, options=()):
    """(requests a second, ascending milliseconds of the answers with `status`, failures). Kept connections."""
    with tempfile.NamedTemporaryFile(prefix="pasarela-h2load-") as log:
        done = subprocess.run(
            ["timeout", str(limit), *_command(protocol, clients, f"-n{count}", log.name), *options, url],
            capture_output=True, text=True)
        times = sorted(taken for _, is_, taken in _logged(log) if is_ == status)
    rate = re.search(r"finished in .*?, ([\d.]+) req/s", done.stdout)
    if not rate:
        raise RuntimeError(f"h2load {url}: {done.stdout[-300:]}{done.stderr[-300:]}")
    return float(rate[1]), times, count - len(times)


def _command(protocol, clients, length, log):
    """`length`: h2load's option that ends it."""
    return ["h2load", *(["--h1"] if protocol == HTTP_1 else []), "-t1", f"-c{clients}", length, f"--log-file={log}"]


def _logged(log):
    """(start in µs since 1970, status, milliseconds) of each request."""
    for line in log.read().decode().splitlines():
        start, status, taken = line.split()
        yield int(start), status, int(taken) / 1000
