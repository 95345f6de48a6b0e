"""The report: what was measured, as Markdown, and its chart."""

import os
import re
import statistics
import subprocess
import time

import chart
import load
import peers
import startup
import streams as streams_
import tickets
import trees

# What the virtual environment's packages are called in the report.
PACKAGES = {"Flask": "flask", "grpcio": "grpcio", "copyparty": "copyparty", "Celery": "celery", "gunicorn": "gunicorn"}


class Report:
    """Lines of Markdown, a section a method."""

    def __init__(self, command, python, binaries):
        with open("/proc/cpuinfo") as file:
            processor = re.search(r"model name\s*: (.*)", file.read())
        with open("/proc/meminfo") as file:
            memory = int(re.search(r"MemTotal:\s+(\d+)", file.read())[1]) / 2**20
        with open("/etc/os-release") as file:
            system = re.search(r'PRETTY_NAME="(.*)"', file.read())
        commit = _said("git", "-C", peers.REPOSITORY, "describe", "--always", "--dirty")
        if os.path.realpath(binaries) != os.path.realpath(f"{peers.REPOSITORY}/.build/release"):
            commit = f"{commit or 'unknown'} (with binaries built elsewhere)"
        self.lines = [
            "# Benchmarks", "",
            f"`{command}`, {time.strftime('%Y-%m-%d %H:%M')}, commit {commit or 'unknown'}.", "",
            f"{os.cpu_count()} cores of {processor[1] if processor else 'an unknown processor'}, {memory:.0f} GiB, "
            f"{system[1] if system else 'an unknown system'}, Linux {os.uname().release}; "
            f"{', '.join(_versions(python))}."]
        self.chart = ""  # SVG.

    def load(self, rows, rounds, before):
        """How the rounds were, and what else the machine did meanwhile."""
        others = sorted(run.others for row in rows for run in row.runs)
        self.lines += [
            "", f"Medians of {rounds} rounds; in each round all rows in turn, {min(row.seconds for row in rows)} to "
            f"{max(row.seconds for row in rows)} s a row. Something else on the machine used "
            f"{statistics.median(others):.2f} cores meanwhile (median; {others[int(len(others) * 0.9)]:.2f} or less in "
            f"9 of 10 runs, {others[-1]:.2f} at most); load average before: {before:.2f}."]

    def method(self):
        self.lines += [
            "", "## How it is measured", "",
            "- Everything is on one machine and loopback, the load generator (h2load, one thread) among it. The peers "
            "are all up at the same time, and are asked one after the other, round by round, so that noise meets all "
            "alike. A ratio is the median of the rounds' ratios.",
            "- Ours is as `make run` starts it, with its access log; the peers write none. All have the same "
            "certificate (P-256), connections are kept, nothing is compressed. The exercise closes each connection, so "
            "it pays a handshake a request.",
            f"- The trees are {'in memory (tmpfs)' if trees.place() == '/dev/shm' else 'on a disk, read before'}: "
            "what is measured is the servers, not a disk.",
            "- The folder: 100 files with size and time, half of the names with accents. All answer sizes and times, "
            "but the exercise (names only). The C responder and the static file give the bytes of ours. Envoy answers "
            "the gRPC message as it is: a column each, names in base64, no object an entry.",
            "- One hot folder: all clients ask for the same. Ours answers identical requests that wait at the same time "
            "by one call, which starts after they came in; nothing is cached.",
            "- 1,000 different folders: each client asks for all of them in an order of its own. It is a process of "
            "h2load of its own: within one, all clients would ask for the same folder at the same time.",
            "- CPU a request: what all of the server's processes used, by the kernel's clock, divided by the requests.",
            "- *spread* is (greatest - least) / median of req/s over the rounds; *others* the cores that neither the "
            "server nor the load generator used: above 0.2 trust the CPU first, then the ratios.", "",
            "Repeat it: `make bench` prints this for your machine, `make bench REPORT=docs/benchmarks.md` writes this "
            "page and its chart, `make bench-quick` judges the goals in under 3 minutes."]

    def text(self):
        return "\n".join([*self.lines, ""])

    def _table(self, title, note, columns, rows):
        self.lines += ["", f"## {title}", "", *([note, ""] if note else [])]
        self.lines += ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
        self.lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]

    def goals(self, goals):
        start = len(self.lines)
        self._table(
            "Goals",
            "100 entries, HTTPS, HTTP/1.1, 32 clients, unless said. In brackets the least and the greatest round.",
            ("goal", "measured", "result", "beyond"), [goal.row() for goal in goals])
        return "\n".join(self.lines[start:]).strip()

    def picture(self, rows, many, path):
        """The chart; `path` is the link's, from the report."""
        shown = [row for row in rows if row.protocol == load.HTTP_1 and row.clients == 32]
        cpu = {row.peer.name: _median(row, "cpu_sum") for row in shown}
        self.chart = chart.svg([
            ("One hot folder: requests a second", {row.peer.name: _median(row, "rate") for row in shown}, None),
            ("1,000 different folders: requests a second", {row.peer.name: _median(row, "rate") for row in many}, None),
            ("One hot folder: CPU µs a request (long bars are cut)", cpu, cpu[peers.AUTOINDEX] * 4)], peers.OURS)
        if path:
            self.lines += ["", f"![Requests a second and CPU a request, by peer]({path})"]

    def requests(self, rows):
        """One hot folder, a table a protocol."""
        for protocol in dict.fromkeys(row.protocol for row in rows):
            self._rates(f"One hot folder, {protocol}", [row for row in rows if row.protocol == protocol])

    def many(self, rows):
        self._rates("1,000 different folders, HTTP/1.1", rows)

    def _rates(self, title, rows):
        reference = {row.clients: row for row in rows if row.peer.name == peers.AUTOINDEX}
        cells = []
        for row in rows:
            other = reference[row.clients]
            cpu = {name: statistics.median(run.cpu[name] for run in row.runs) for name in row.runs[0].cpu}
            parts = " + ".join(f"{value:.0f} {name}" for name, value in cpu.items() if value >= 0.5)
            cells.append((
                row.peer.name, row.clients, f"{_median(row, 'rate'):,.0f}", f"{_ratio(row, other, 'rate'):.2f}",
                f"{_median(row, 'p50'):.2f}", f"{_median(row, 'p99'):.2f}", f"{_median(row, 'cpu_sum'):.0f}",
                f"{_ratio(row, other, 'cpu_sum'):.2f}", parts, f"{row.peer.size:,}",
                f"{_spread([run.rate for run in row.runs]):.0%}", f"{_median(row, 'others'):.2f}", row.failed))
        self._table(
            title, "",
            ("peer", "clients", "req/s", "of autoindex's", "p50 ms", "p99 ms", "CPU µs a request", "of autoindex's",
             "of which", "bytes", "spread", "others", "failed"), cells)

    def streams(self, streams):
        for entries in dict.fromkeys(stream.entries for stream in streams):
            shown = [stream for stream in streams if stream.entries == entries]
            reference = next(stream for stream in shown if stream.peer.name == peers.AUTOINDEX)
            cells = []
            for stream in shown:
                name = "Pasarela, NDJSON" if stream.peer.name == peers.OURS else stream.peer.name
                if stream.refused:
                    cells.append((name, f"not there (status {stream.refused})", *[""] * 7))
                    continue
                ratio = statistics.median(one / other for one, other in zip(stream.total, reference.total))
                cpu = {part: statistics.median(run[part] for run in stream.cpu) for part in stream.cpu[0]}
                used = sum(cpu.values())
                cells.append((
                    name, f"{statistics.median(stream.first):,.1f}", f"{statistics.median(stream.total):,.0f}",
                    f"{ratio:.2f}", f"{_spread(stream.total):.0%}", f"{stream.size:,}", f"{used:.3f}",
                    " + ".join(f"{value:.3f} {part}" for part, value in cpu.items() if value >= 0.0005),
                    " + ".join(f"{size / 2**20:.1f} {part}" for part, size in stream.growth.items() if size >= 50_000)
                    or "0"))
            self._table(
                f"{entries:,} entries in one answer",
                "HTTP/1.1, one client (curl). *Memory*: PSS at its highest while the first of such answers was sent, "
                f"above what it was before, looked at every {streams_.SAMPLE_SECONDS * 1000:.0f} ms.",
                ("peer", "first byte ms", "total ms", "of autoindex's", "spread", "bytes", "CPU s", "of which",
                 "memory MiB"), cells)

    def memory(self, idle, loaded):
        """Both: (peer, process, PSS, RSS) of each process; `idle` of ours alone."""
        mib = lambda value: f"{value / 2**20:.1f}"
        cells = []
        for before, after in zip(idle, loaded):  # Ours come first, in the same order.
            cells.append((f"{before[0]}: {before[1]}", *map(mib, (*before[2:], *after[2:]))))
        services = [pair for pair in zip(idle, loaded) if pair[0][1] in startup.SERVICES]
        cells.append(("Pasarela: the three services together", *(
            mib(sum(pair[when][column] for pair in services)) for when in (0, 1) for column in (2, 3))))
        for _, name, pss, rss in loaded[len(idle):]:
            cells.append((f"peer: {name}", "", "", mib(pss), mib(rss)))
        self._table(
            "Memory, MiB",
            "PSS counts a page that n processes map as 1/n in each; ours have copies of their libraries, so that nobody "
            "else shares them. Idle: a second after the start, nothing asked but /salud/listo. The load: all of the rounds "
            "above, before a folder was answered as a whole.",
            ("process", "PSS idle", "RSS idle", "PSS after the load", "RSS after the load"), cells)

    def starts(self, starts):
        self._table(
            "From start to ready, ms",
            "The executable started by hand until it answers on its socket: the gateway /salud over FastCGI, a daemon "
            "the standard gRPC health check.",
            ("service", "median", "least", "greatest"),
            [(service, f"{statistics.median(times):.1f}", f"{times[0]:.1f}", f"{times[-1]:.1f}")
             for service, times in starts.items()])

    def search(self, found):
        self._table(
            "A search in 20,000 names",
            "Informative. Ours is one request over a kept connection, hits sorted, with sizes and times; `find` and fd "
            "are whole processes that print paths.",
            ("query", "tool", "median ms", "hits"),
            [(query, tool, f"{taken:.1f}", f"{hits:,}") for query, tool, taken, hits in found])

    def tickets(self, figures):
        """`figures` of tickets.py."""
        who = {name: getattr(tickets, name) for name in ("ALONE", "BROKER", "CONFIRMED", "HTTP", "BARE")}

        def ratios(peer):
            # Round by round: what disturbs a round disturbs both.
            mine, other = (figures.accepted[who[name], 64] for name in ("CONFIRMED", peer))
            return sorted(one / two for one, two in zip(mine, other))

        def cost(other):
            """What tickets add to the gateway's CPU for a request, in per cent, round by round."""
            rows = {row.peer.name: row for row in figures.well if row.clients == 32}
            without, having = rows["no ticket possible (encolar=no)"], rows[other]
            return sorted((one.cpu["gateway"] / two.cpu["gateway"] - 1) * 100
                          for one, two in zip(having.runs, without.runs))

        ratio, percent = lambda value: f"{value:.1f} ×", lambda value: f"{value:+.1f} %"
        # Not measurable: less than the rounds of one row differ by themselves.
        spread = max(_spread([run.cpu["gateway"] for run in row.runs]) for row in figures.well if row.clients == 32)
        self._table("Tickets: goals", "", ("goal", "measured", "result"), [
            _goal("at 64 clients, to the last confirm, at least 5 × the Celery endpoint's rate", ratios("HTTP"), ratio,
                  lambda value: value >= 5),
            _goal("first ticket answered within 300 ms of its daemon's start", figures.first,
                  lambda value: f"{value:.0f} ms", lambda value: value < 300),
            *(_goal(f"what {name} cost the gateway when all is well: within the {spread * 100:.0f} % that a row differs "
                    "by itself", cost(name), percent, lambda value: value < max(3, spread * 100))
              for name in ("tickets, SQLite alone", "tickets, with a broker")),
            ("when all is well nothing is written to the state folder", "",
             "**pass**" if figures.is_store_untouched else "**MISS**")])
        self.lines += ["", "For comparison: the same rate is " + ratio(statistics.median(ratios("BARE")))
                       + " that of bare `apply_async`, which has no HTTP, no TLS and no request to read."]
        cells = []
        for clients in tickets.CLIENTS:
            for name in who.values():
                rates = figures.accepted[name, clients]
                told = figures.cpu.get((name, clients), [])
                parts = {part: statistics.median(run[part] for run in told) for part in (told[0] if told else ())}
                cells.append((name, clients, f"{statistics.median(rates):,.0f}", f"{_spread(rates):.0%}",
                              " + ".join(f"{value:.0f} {part}" for part, value in parts.items() if value >= 0.5)))
        self._table(
            "Tickets: accepted a second",
            "The daemon is away, so each request becomes a ticket: 202 after SQLite's fsync. *To the last confirm*: "
            "counted until the broker has confirmed the last of them, too. Celery: a durable quorum queue on the same "
            "node, persistent, each task confirmed before its 202; behind nginx with the same TLS and no access log, "
            "Flask under gunicorn, 2 processes of 32 threads. Bare: 1 thread, or 2 processes of 32 threads.",
            ("who", "clients", "tickets/s", "spread", "CPU µs a ticket"), cells)
        live, first = sorted(figures.live), figures.first
        at = lambda values, part: f"{values[int((len(values) - 1) * part)]:.1f}"
        self._table(
            "Tickets: replay",
            "The rate is bounded (PASARELA_REPLAY_RATE), so that live requests keep their time: one client asks the same "
            "daemon all the while.", ("what", "median", "least", "greatest"), [
                *((f"{count:,} tickets, answered a second", f"{statistics.median(rates):,.0f}", f"{min(rates):,.0f}",
                   f"{max(rates):,.0f}") for count, rates in figures.replay.items()),
                ("a live request meanwhile, ms", at(live, 0.5), at(live, 0), f"{at(live, 1)} (p99 {at(live, 0.99)})"),
                ("daemon's start to the first answer, ms", at(first, 0.5), at(first, 0), at(first, 1))])
        cells = []
        for row in figures.well:
            median = lambda value: statistics.median(map(value, row.runs))
            cells.append((
                row.peer.name, row.clients, f"{median(lambda run: run.rate):,.0f}",
                f"{median(lambda run: run.p50):.2f}", f"{median(lambda run: run.p99):.2f}",
                f"{median(lambda run: run.cpu['gateway']):.1f}",
                f"{_spread([run.cpu['gateway'] for run in row.runs]):.0%}"))
        self._table(
            "Tickets: a request when all is well", "",
            ("the gateway has", "clients", "req/s", "p50 ms", "p99 ms", "gateway's CPU µs", "its spread"), cells)


def _goal(goal, values, shown, is_good):
    """`values` ascending; their median is held against the goal."""
    middle = statistics.median(values)
    range_ = f" (rounds {shown(values[0])} to {shown(values[-1])})" if len(values) > 1 else ""
    return goal, shown(middle) + range_, "**pass**" if is_good(middle) else "**MISS**"


def _spread(values):
    return (max(values) - min(values)) / statistics.median(values)


def _median(row, name):
    return statistics.median(getattr(run, name) for run in row.runs)


def _ratio(row, other, name):
    """Round by round: what disturbs a round disturbs both."""
    return statistics.median(getattr(one, name) / getattr(two, name) for one, two in zip(row.runs, other.runs))


def _versions(python):
    yield _said("nginx", "-v")
    yield _said("h2load", "--version")
    yield "libfcgi " + _said("dpkg-query", "-W", "-f", "${Version}", "libfcgi-dev")
    yield "Python " + _said(python, "-V").removeprefix("Python ")
    folder = os.path.dirname(python)
    yield "Caddy " + _said(f"{folder}/caddy", "version").split(" ")[0].removeprefix("v")
    yield "Envoy " + (re.search(r"/(\d+\.\d+\.\d+)/", _said(f"{folder}/envoy", "--version")) or ["", "unknown"])[1]
    asked = f"import importlib.metadata as m; print(*map(m.version, {list(PACKAGES.values())!r}))"
    for name, version in zip(PACKAGES, _said(python, "-c", asked).split()):
        yield f"{name} {version}"


def _said(*command):
    """The one line that a command tells of itself."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip().removeprefix("nginx version: ").split("\n")[0].strip()
