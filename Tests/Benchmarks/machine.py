"""What the kernel tells of processes and of the machine; servers that end with us."""

import ctypes
import os
import resource
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a living process, all its threads (ended ones, too), in nanosecond steps.

    The clock's id is what clock_getcpuclockid(3) makes of a pid.
    """
    return time.clock_gettime((~pid << 3) | 2)


def own_cpu_seconds():
    """User and system time of this process and of the children it has waited for: the load generator."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def busy_seconds():
    """What all of the machine has worked, stolen time among it; in steps of 10 ms."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal, *_ = map(int, file.readline().split()[1:])
    return (user + nice + system + irq + softirq + steal) / TICK


class Quiet:
    """Waits for a quiet machine: at most `once` seconds a time, `budget` seconds in all."""

    def __init__(self, once, budget, cores_below=0.25):
        self.once, self.budget, self.cores_below = once, budget, cores_below

    def wait(self):
        start = time.monotonic()
        while True:
            before = busy_seconds()
            time.sleep(0.1)
            if busy_seconds() - before < self.cores_below * 0.1:
                break
            if time.monotonic() - start > min(self.once, self.budget):
                break
        self.budget = max(0, self.budget - (time.monotonic() - start - 0.1))


def pss(pid):
    """Proportional set size in bytes: a page that n processes share counts 1/n in each."""
    return _rollup(pid, "Pss:")


def rss(pid):
    """Resident set size in bytes."""
    return _rollup(pid, "Rss:")


def _rollup(pid, field):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) * 1024


def descendants(pid):
    """{pid: name} of all living descendants."""
    parents, names = {}, {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as file:
                name, rest = file.read().partition("(")[2].rsplit(")", 1)
        except OSError:  # It has ended meanwhile.
            continue
        parents[int(entry)], names[int(entry)] = int(rest.split()[1]), name
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {child: names[child] for child in found - {pid}}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


_libc = ctypes.CDLL(None)


def die_with_parent():
    """For `preexec_fn`."""
    _libc.prctl(1, 15)  # PR_SET_PDEATHSIG, SIGTERM


class Server:
    """A child process, ended by its pid; its output goes to a log that is shown when it does not come up."""

    def __init__(self, command, log, environment=None):
        self.log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**os.environ, **(environment or {})}, preexec_fn=die_with_parent)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def until(self, ready, seconds=20):
        """Waits until `ready()` is true; it may raise OSError until then."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if answer := ready():
                    return answer
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(self.log, errors="replace") as file:
                    raise RuntimeError(f"{self.process.args[0]} did not come up: {file.read()[-800:]}")
            time.sleep(0.02)
