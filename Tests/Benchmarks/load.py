"""Loads over HTTPS by h2load: bounded in count and time; what one run told."""

import re
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

import machine


@dataclass
class Run:
    """One run of a peer."""

    rate: float  # Requests a second.
    p50: float  # Milliseconds.
    p99: float
    cpu: dict  # Process name to CPU microseconds a request.
    others: float  # Cores that neither the peer nor the load generator used.
    failed: int


@dataclass
class Row:
    """A peer at a number of clients, and its runs, a round each."""

    peer: object
    clients: int
    runs: list = field(default_factory=list)
    rate: float = 0  # As seen last: says how many requests fill a run.

    def warm_up(self):
        """Short runs, so that everything is mapped, connected and cached; finds out how fast it is."""
        for seconds in (0, 0.1, 0.3):
            self.rate = h2load(self.peer.url, self.clients, self._count(seconds))[0]

    def _count(self, seconds):
        """Requests that take about so long."""
        return int(min(200_000, max(self.clients * 4, self.rate * seconds)))

    def measure(self, seconds):
        count = self._count(seconds)
        pids = self.peer.members
        start, busy, own = time.monotonic(), machine.busy_seconds(), machine.own_cpu_seconds()
        before = {pid: machine.cpu_seconds(pid) for pid in pids}
        self.rate, times, failed = h2load(self.peer.url, self.clients, count)
        cpu, used = {}, 0.0
        for pid, name in pids.items():
            spent = machine.cpu_seconds(pid) - before[pid]
            used += spent
            cpu[name] = cpu.get(name, 0.0) + spent / count * 1e6
        own = machine.own_cpu_seconds() - own
        others = (machine.busy_seconds() - busy - own - used) / (time.monotonic() - start)
        if not times:
            raise RuntimeError(f"{self.peer.name}: none of {count} requests was answered with 200")
        self.runs.append(Run(
            self.rate, times[len(times) // 2], times[int(len(times) * 0.99)], cpu,
            max(0.0, others), failed))


def h2load(url, clients, count, limit=30, status="200"):
    """(requests a second, ascending milliseconds of the answers with `status`, failures). HTTP/1.1, kept connections."""
    with tempfile.NamedTemporaryFile(prefix="pasarela-h2load-") as log:
        done = subprocess.run(
            ["timeout", str(limit), "h2load", "--h1", "-t1", f"-c{clients}", f"-n{count}",
             f"--log-file={log.name}", url], capture_output=True, text=True)
        # A line for each request: start in µs, status, duration in µs.
        lines = [line.split() for line in log.read().decode().splitlines()]
    rate = re.search(r"finished in .*?, ([\d.]+) req/s", done.stdout)
    if not rate:
        raise RuntimeError(f"h2load {url}: {done.stdout[-300:]}{done.stderr[-300:]}")
    times = sorted(int(line[2]) / 1000 for line in lines if line[1] == status)
    return float(rate[1]), times, count - len(times)
