"""What a change must not lose: each goal held against what was measured, round by round."""

import statistics
from dataclasses import dataclass

import load
import peers
import startup

HOT, MANY = ("flat100",), "many"


@dataclass
class Goal:
    """One line of the table."""

    text: str
    values: list  # Of the rounds.
    shown: callable
    is_good: callable = None
    beyond: str = ""  # What would be better still.
    is_beyond: callable = None

    def row(self):
        if not self.values:
            return self.text, "not measured", "", self.beyond and f"{self.beyond}: not measured"
        values = sorted(self.values)
        middle = statistics.median(values)
        range_ = f" ({self.shown(values[0])} to {self.shown(values[-1])})" if len(values) > 1 else ""
        verdict = "" if self.is_good is None else "**pass**" if self.is_good(middle) else "**MISS**"
        beyond = self.beyond and f"{self.beyond}: {'**yes**' if self.is_beyond(middle) else 'no'}"
        return self.text, self.shown(middle) + range_, verdict, beyond


def ratio(text, values, at_least=None, at_most=None, beyond=None):
    """A goal about a ratio: at least, or at most, so much."""
    times = lambda value: f"{value:.2f} ×"
    if at_least is not None:
        return Goal(f"{text}: at least {at_least} ×", values, times, lambda value: value >= at_least,
                    f"{beyond} ×" if beyond else "", lambda value: value >= beyond)
    return Goal(f"{text}: at most {at_most} ×", values, times, lambda value: value <= at_most,
                f"{beyond} ×" if beyond else "", lambda value: value <= beyond)


def judged(rows, many, streams, idle, starts):
    """[Goal]. `rows` and `many`: load.Row; `streams`: Stream; `idle` as memory() takes it; `starts` {service: ms}."""

    def runs(among, name, clients):
        return next(row.runs for row in among
                    if row.peer.name == name and row.clients == clients and row.protocol == load.HTTP_1)

    def against(name, value, clients=32, among=rows):
        # Round by round: what disturbs a round disturbs both.
        return [value(one) / value(other)
                for one, other in zip(runs(among, peers.OURS, clients), runs(among, name, clients))]

    def stream_ratios(entries):
        found = {stream.peer.name: stream for stream in streams if stream.entries == entries}
        if peers.OURS not in found or found[peers.OURS].refused:
            return []
        return [one / other for one, other in zip(found[peers.OURS].total, found[peers.AUTOINDEX].total)]

    rate, cpu, p50 = lambda run: run.rate, lambda run: run.cpu_sum, lambda run: run.p50
    pss = sum(size for _, name, size, _ in idle if name in startup.SERVICES) / 2**20
    responder = against(peers.RESPONDER, rate)
    return [
        ratio("one hot folder: nginx autoindex's rate", against(peers.AUTOINDEX, rate), at_least=2.0, beyond=2.2),
        ratio("one hot folder: nginx autoindex's CPU a request", against(peers.AUTOINDEX, cpu), at_most=0.6),
        Goal("one hot folder: the trivial C responder's rate", responder, lambda value: f"{value:.2f} ×", None,
             "0.75 ×", lambda value: value >= 0.75),
        ratio("1,000 different folders: nginx autoindex's rate", against(peers.AUTOINDEX, rate, among=many),
              at_least=0.85, beyond=1.0),
        ratio("1 client, p50: nginx autoindex's", against(peers.AUTOINDEX, p50, clients=1), at_most=1.9, beyond=1.5),
        ratio("32 clients, p99: the p50", [run.p99 / run.p50 for run in runs(rows, peers.OURS, 32)], at_most=4),
        ratio("1,000,000 entries as NDJSON: nginx autoindex's time", stream_ratios(1_000_000), at_most=1.0, beyond=0.7),
        Goal("idle PSS of the three services together: at most 50 MiB", [pss], lambda value: f"{value:.1f} MiB",
             lambda value: value <= 50),
        ratio("32 clients: the exercise's rate", against(peers.EXERCISE, rate), at_least=10),
        *(Goal(f"{service} ready: at most 200 ms after its start", times, lambda value: f"{value:.0f} ms",
               lambda value: value <= 200) for service, times in starts.items())]
