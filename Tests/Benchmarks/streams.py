"""A whole folder in one answer: first byte, time, bytes, CPU, memory; ours as a stream of NDJSON.

First each peer is asked once without a clock: what it answers is counted, entry by entry, and meanwhile the memory of
its processes is watched. Then the rounds, with the clock and without the watching.
"""

import http.client
import json
import subprocess
import threading
import urllib.parse
from dataclasses import dataclass, field

import machine

SAMPLE_SECONDS = 0.02


@dataclass
class Stream:
    """A peer and a folder, and what its answers took."""

    peer: object
    entries: int
    url: str
    refused: int = 0  # The status, where there is no such answer.
    size: int = 0
    growth: dict = field(default_factory=dict)  # Process name to bytes of PSS more than before, at most.
    first: list = field(default_factory=list)  # Milliseconds, a round each.
    total: list = field(default_factory=list)
    cpu: list = field(default_factory=list)  # {process: seconds}

    def watch(self, context):
        """Asks once; counts the entries and watches the memory."""
        before = {pid: machine.pss(pid) for pid in self.peer.members}
        highest, done = dict(before), threading.Event()

        def sample():
            while not done.wait(SAMPLE_SECONDS):
                for pid in highest:
                    highest[pid] = max(highest[pid], machine.pss(pid))

        watcher = threading.Thread(target=sample)
        watcher.start()
        try:
            status, self.size, count, end = _counted(self.url, self.peer, context)
        finally:
            done.set()
            watcher.join()
        if status != 200:
            self.refused = status
            return
        if self.peer.marker == b"\n":  # NDJSON: its last line says how it ended.
            count += not end.endswith(b"\n")
            count -= 1
            last = json.loads(end.strip().rpartition(b"\n")[2])
            if not last.get("fin") or not last.get("completo") or last.get("total") != self.entries:
                raise RuntimeError(f"{self.url} ended with {last}")
        if count != self.entries:
            raise RuntimeError(f"{self.url}: {count} entries, not {self.entries}")
        for pid, name in self.peer.members.items():
            self.growth[name] = self.growth.get(name, 0) + highest[pid] - before[pid]

    def measure(self, certificate):
        before = {pid: machine.cpu_seconds(pid) for pid in self.peer.members}
        headers = [word for pair in (self.peer.headers or {}).items() for word in ("-H", ": ".join(pair))]
        told = subprocess.run(
            ["curl", "-sf", "--http1.1", "--noproxy", "*", "--cacert", certificate, "--max-time", "120", "-o",
             "/dev/null", "-w", "%{time_pretransfer} %{time_starttransfer} %{time_total}", *headers, self.url],
            check=True, capture_output=True, text=True).stdout
        begun, first, end = map(float, told.split())
        self.first.append((first - begun) * 1000)
        self.total.append((end - begun) * 1000)
        cpu = {}
        for pid, name in self.peer.members.items():
            cpu[name] = cpu.get(name, 0) + machine.cpu_seconds(pid) - before[pid]
        self.cpu.append(cpu)


def measure(everybody, folder, entries, rounds, quiet, web, tell):
    """A Stream for each peer that answers a folder as a whole."""
    streams = [Stream(peer, entries, peer.whole(folder)) for peer in everybody if peer.whole]
    tell(f"{entries:,} entries in one answer: counting, watching the memory")
    for stream in streams:
        stream.watch(web.context)
    for turn in range(rounds):
        tell(f"{entries:,} entries in one answer: round {turn + 1} of {rounds}")
        for stream in streams:
            if not stream.refused:
                quiet.wait()
                stream.measure(web.certificate)
    return streams


def _counted(url, peer, context):
    """(status, bytes, how often the marker is there, the last bytes)."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=120, context=context)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}".rstrip("?"), headers=peer.headers or {})
        answer = connection.getresponse()
        size = count = 0
        end, keep = b"", len(peer.marker) - 1
        while piece := answer.read(1 << 18):
            size += len(piece)
            # A marker may lie across two pieces.
            count += ((end[-keep:] if keep else b"") + piece).count(peer.marker)
            end = (end + piece)[-1000:]
        return answer.status, size, count, end
    finally:
        connection.close()
