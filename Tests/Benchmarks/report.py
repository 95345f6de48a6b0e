"""The report: what was measured, as Markdown."""

import os
import re
import statistics
import subprocess
import time

import peers
import startup
import tickets


class Report:
    """Lines of Markdown, a section a method."""

    def __init__(self, command, python):
        with open("/proc/cpuinfo") as file:
            processor = re.search(r"model name\s*: (.*)", file.read())
        commit = _said("git", "-C", peers.REPOSITORY, "describe", "--always", "--dirty")
        self.lines = [
            "# Benchmarks", "",
            f"{time.strftime('%Y-%m-%d %H:%M')}, commit {commit or 'unknown'}, `{command}`", "",
            f"{os.cpu_count()} cores of {processor[1] if processor else 'an unknown processor'}, Linux "
            f"{os.uname().release}, {_said('nginx', '-v')}, {_said('h2load', '--version')}, {_said(python, '-V')}"]

    def rounds(self, rounds, seconds):
        self.lines += [
            "", f"Medians of {rounds} rounds of about {seconds} s a row; in each round all rows in turn. The load "
            "generator (h2load, HTTP/1.1, one thread) is on the same cores. Ours is as shipped, with its access log; "
            "the peers' nginx has the same TLS, workers and kept connections, without a log."]

    def text(self):
        return "\n".join([*self.lines, ""])

    def _table(self, title, note, columns, rows):
        self.lines += ["", f"## {title}", "", *([note, ""] if note else [])]
        self.lines += ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
        self.lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]

    def goals(self, rows, idle, starts):
        """`rows` of load.Row; `idle` as memory() takes it; `starts` {service: ascending ms}."""

        def ratios(peer, clients, value):
            # Round by round: what disturbs a round disturbs both.
            mine, other = (
                next(row.runs for row in rows if name in row.peer.name and row.clients == clients)
                for name in ("Pasarela", peer))
            return sorted(value(one) / value(two) for one, two in zip(mine, other))

        line, ratio = _goal, lambda value: f"{value:.2f} ×"
        total = sum(pss for _, name, pss, _ in idle if name in startup.SERVICES) / 2**20
        self._table("Goals", "", ("goal", "measured", "result"), [
            line("at 32 clients at least 10 × Flask's rate",
                 ratios("Flask", 32, lambda run: run.rate), ratio, lambda value: value >= 10),
            line("at 32 clients at least 0.8 × nginx autoindex's rate",
                 ratios("autoindex", 32, lambda run: run.rate), ratio, lambda value: value >= 0.8),
            line("at 1 client p50 at most 2 × nginx autoindex's",
                 ratios("autoindex", 1, lambda run: run.p50), ratio, lambda value: value <= 2),
            line("idle PSS of the three services together under 60 MiB",
                 [total], lambda value: f"{value:.1f} MiB", lambda value: value < 60),
            *(line(f"{service} ready within 200 ms of its start", times,
                   lambda value: f"{value:.0f} ms", lambda value: value < 200)
              for service, times in starts.items())])

    def requests(self, rows):
        cells = []
        for row in rows:
            median = lambda value: statistics.median(map(value, row.runs))
            rates = sorted(run.rate for run in row.runs)
            cpu = {name: median(lambda run: run.cpu[name]) for name in row.runs[0].cpu}
            parts = " + ".join(f"{value:.0f} {name}" for name, value in cpu.items() if value >= 0.5)
            cells.append((
                row.peer.name, row.clients, f"{median(lambda run: run.rate):,.0f}",
                f"{median(lambda run: run.p50):.2f}", f"{median(lambda run: run.p99):.2f}",
                f"{sum(cpu.values()):.0f}", parts, f"{len(row.peer.body):,}",
                f"{(rates[-1] - rates[0]) / statistics.median(rates):.0%}",
                f"{median(lambda run: run.others):.2f}", sum(run.failed for run in row.runs)))
        self._table(
            "100 entries over HTTPS",
            "*spread*: of req/s, (greatest - least) / median. *others*: cores that something else on the machine used "
            "(above 0.2 trust the CPU first, then the ratios). The C responder and the static file give the bytes of "
            "ours. The exercise closes each connection, so it pays a handshake a request; it answers names only, all "
            "others sizes and times, too.",
            ("peer", "clients", "req/s", "p50 ms", "p99 ms", "CPU µs a request", "of which", "bytes", "spread",
             "others", "failed"), cells)

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
            "PSS counts a page that n processes map as 1/n in each. Idle: a second after the start, nothing asked but "
            "/salud/listo.",
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

    def note_on_shared_pages(self, others):
        """`others`: processes of somebody else that share the Swift libraries with ours."""
        if others:
            self.lines += [
                "", f"While this ran, {others} other processes mapped the Swift libraries, too: PSS is too low."]


def _goal(goal, values, shown, is_good):
    """`values` ascending; their median is held against the goal."""
    middle = statistics.median(values)
    range_ = f" (rounds {shown(values[0])} to {shown(values[-1])})" if len(values) > 1 else ""
    return goal, shown(middle) + range_, "**pass**" if is_good(middle) else "**MISS**"


def _spread(values):
    return (max(values) - min(values)) / statistics.median(values)


def _said(*command):
    """The one line that a command tells of itself."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip().removeprefix("nginx version: ").split("\n")[0]
