#!/usr/bin/env python3
"""chaos.py [--seconds 60] [--seed N] [--bin FOLDER] …: a steady stream of requests while everything is killed.

Hosts (nginx, gateway, mserv1, mserv2) that serve one tree with a RabbitMQ cluster between them. At random gateway,
daemons, nginx's workers and broker nodes are killed, restarted, stopped and continued, the disk of a state folder is
filled, the broker's port is cut or stalled. Clients keep a ledger of their own. Only 200, 202, 303, 503, 504 and a cut
connection may come; in the end all is brought back, and each 202 is followed to its answer on every host. Answers are
held against the folder itself, which stays as it is, read by an oracle that knows nothing of the product.

Prints the counts. Exit status 0: nothing lost, wrong, another's, stuck or failed. The same seed gives the same
requests and disasters (not the same moments: the machine has a say in those).
"""

import argparse
import ctypes
import heapq
import http.client
import json
import os
import random
import signal
import ssl
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import oracle
from client import target
from stack import BINARIES, HEX, PARTS, Brokers, Stack, folder, plain_tree, tree_key, until

L, S = "/listar_archivos", "/buscar_archivos"
ALLOWED = {200, 202, 303, 503, 504}
# No request may take longer: patience, deadline and what was frozen meanwhile.
ANSWER_MAX = 45
# RabbitMQ 3.10 writes down half a second late that a quorum queue is there: a node killed before has lost it.
SETTLING = 2
# What was asked to end is killed when it has not ended after so long.
END_MAX = 8
FAILURES_SHOWN = 20


class Asked:
    """A request that was sent, and what became of it."""

    def __init__(self, host, number, given, headers):
        self.host, self.number, self.given, self.headers = host, number, given, headers
        path = L if "q" not in given else S
        self.target = target(path, **given).decode()
        self.ticket, self.is_settled = None, False


class Ledger:
    """All that was asked and told, and what was not as it must be."""

    def __init__(self, tree):
        self.tree, self.lock, self.kept = tree, threading.Lock(), {}
        self.statuses, self.codes, self.outcomes, self.failures = Counter(), Counter(), Counter(), []
        self.tickets, self.slowest = [], 0.0

    def count(self, what, **more):
        with self.lock:
            self.statuses[what] += 1
            for code in more.values():
                self.codes[code] += 1

    def fail(self, kind, text):
        with self.lock:
            self.outcomes[kind] += 1
            self.failures.append(f"{kind}: {text}")

    def expected(self, asked):
        """The entries that the tree holds for a request, all pages."""
        key = (asked.given["ruta"], asked.given.get("q"))
        with self.lock:
            if key not in self.kept:
                ruta = key[0].encode()
                self.kept[key] = (oracle.listing(self.tree, ruta) if key[1] is None
                                  else oracle.search(self.tree, ruta, key[1])).entries
            return self.kept[key]

    def flaw(self, asked, body):
        """What is wrong with a 200, or None."""
        try:
            document = json.loads(body)
            expected, limite = self.expected(asked), asked.given["limite"]
            if document["ruta"] != asked.given["ruta"]:
                return f"ruta {document['ruta']!r}"
            if document["entradas"] != expected[:limite]:
                return f"{len(document['entradas'])} entries are not those of the folder"
            if document["completo"] is not True or ("cursor" in document) != (len(expected) > limite):
                return f"completo or cursor: {sorted(document)}"
        except (ValueError, KeyError, TypeError) as error:
            return f"unreadable: {error!r} in {body[:200]!r}"
        return None


class Wire:
    """A client's kept connection to a host."""

    def __init__(self, stack):
        self.stack = stack
        self.context = ssl.create_default_context(cafile=stack.certificate)
        self.connection = None

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def ask(self, asked, headers=None, method="GET"):
        """(status, {header: value}, body); None for a connection that was cut, "hung" where nothing came in time."""
        begun = time.monotonic()
        try:
            if self.connection is None:
                self.connection = http.client.HTTPSConnection(
                    "localhost", self.stack.port, timeout=ANSWER_MAX, context=self.context)
            self.connection.request(method, asked, headers=headers or {})
            answer = self.connection.getresponse()
            body = answer.read()
            told = {name.lower(): value for name, value in answer.headers.items()}
            if answer.will_close:
                self.close()
            return answer.status, told, body
        except (TimeoutError, ssl.SSLWantReadError):
            self.close()
            return "hung"
        except (OSError, http.client.HTTPException):
            self.close()
            # A reset that comes only when the client's own patience is over is none.
            return "hung" if time.monotonic() - begun >= ANSWER_MAX else None


class Client:
    """One of those who send the steady stream."""

    def __init__(self, number, stacks, ledger, seed, pause):
        self.number, self.stacks, self.ledger, self.pause = number, stacks, ledger, pause
        self.chance = random.Random(f"client {number} {seed}")
        self.wires = [Wire(stack) for stack in stacks]
        self.turn, self.open = 0, []

    def run(self, stop):
        while not stop.is_set():
            self.turn += 1
            if self.open and self.chance.random() < 0.2:
                self.look()
            else:
                self.send()
            stop.wait(self.pause * self.chance.uniform(0.2, 1.8))
        for wire in self.wires:
            wire.close()

    def send(self):
        host = self.chance.randrange(len(self.wires))
        given = {"ruta": f"/carpeta-{self.chance.randrange(8)}",
                 "limite": 1 + (self.turn * 8 + self.number) % 1000}
        if self.chance.random() < 0.4:
            given |= {"ruta": "/", "q": f"f{self.chance.randrange(8)}-{self.chance.randrange(1, 4)}"}
        if self.chance.random() < 0.05:
            given["encolar"] = "no"
        prefer = self.chance.choices([None, "respond-async", "wait=0", "wait=2", "respond-async, wait=1"],
                                     [50, 20, 15, 10, 5])[0]
        asked = Asked(host, self.turn, given, {"Prefer": prefer} if prefer else {})
        wire = self.wires[host]
        if self.chance.random() < 0.3:
            wire.close()
        begun = time.monotonic()
        answer = wire.ask(asked.target, asked.headers)
        self.ledger.slowest = max(self.ledger.slowest, time.monotonic() - begun)
        if answer is None:
            self.ledger.count("cut")
            return
        if answer == "hung":
            self.ledger.count("hung")
            self.ledger.fail("hung", f"no answer within {ANSWER_MAX} s: {asked.target} {asked.headers}")
            return
        status, headers, body = answer
        code = {}
        if status in (503, 504):
            try:
                code["codigo"] = json.loads(body)["codigo"]
            except (ValueError, KeyError, TypeError):
                self.ledger.fail("wrong", f"a {status} that is no problem document: {body[:200]!r}")
        self.ledger.count(status, **code)
        if status == 200:
            if flaw := self.ledger.flaw(asked, body):
                self.ledger.fail("wrong", f"{asked.target}: {flaw}")
        elif status == 202:
            place = headers.get("location", "")
            if not HEX.fullmatch(place.removeprefix("/solicitudes/")):
                self.ledger.fail("wrong", f"a 202 with Location {place!r}")
            elif "encolar" in given:
                self.ledger.fail("wrong", f"a ticket in spite of encolar=no: {asked.target}")
            else:
                asked.ticket = place
                self.open.append(asked)
                with self.ledger.lock:
                    self.ledger.tickets.append(asked)
        elif status not in ALLOWED:
            self.ledger.fail("status", f"{status} for {asked.target} {asked.headers}: {body[:300]!r}")

    def look(self):
        """Looks after a ticket of one's own in the middle of it all."""
        asked = self.chance.choice(self.open)
        wire = self.wires[asked.host]
        answer = wire.ask(asked.ticket)
        if answer not in (None, "hung") and answer[0] == 303:
            answer = wire.ask(asked.ticket + "/resultado")
            if answer not in (None, "hung") and answer[0] == 200:
                self.open.remove(asked)
                if flaw := self.ledger.flaw(asked, answer[2]):
                    self.ledger.fail("wrong", f"{asked.ticket}, {asked.target}: {flaw}")
        if answer is None or answer == "hung":
            self.ledger.count(answer or "cut")
            if answer:
                self.ledger.fail("hung", f"no answer within {ANSWER_MAX} s: {asked.ticket}")
            return
        self.ledger.count(answer[0])
        if answer[0] not in ALLOWED:
            self.ledger.fail("lost" if answer[0] in (404, 410) else "status",
                             f"{answer[0]} for the ticket {asked.ticket} of {asked.target}: {answer[2][:300]!r}")


class Disk:
    """A small file system for a state folder, in a mount namespace of ours; it can be filled."""

    def __init__(self, path, mebibytes):
        self.path = path
        os.makedirs(path, mode=0o700, exist_ok=True)
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"size={mebibytes}m,mode=0700".encode()
        if libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, options):
            raise OSError(ctypes.get_errno(), "mount")

    def fill(self):
        with open(f"{self.path}/lleno", "ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue

    def free(self):
        os.remove(f"{self.path}/lleno")

    @staticmethod
    def can_be():
        """Whether we may mount; then in a namespace that goes with us."""
        libc = ctypes.CDLL(None, use_errno=True)
        new_namespace, recursive_private = 0x20000, 0x44000
        return libc.unshare(new_namespace) == 0 and libc.mount(b"none", b"/", None, recursive_private, None) == 0


class Chaos:
    """The disasters: each begins, lasts a while and is undone; at most one at a time of what it strikes."""

    def __init__(self, stacks, brokers, disks, seed, ledger):
        self.stacks, self.brokers, self.disks, self.ledger = stacks, brokers, disks, ledger
        self.chance = random.Random(f"disasters {seed}")
        self.counts, self.later, self.struck, self.order = Counter(), [], set(), 0
        self.ending = {}  # Parts that were asked to end: (part, when they are killed).
        self.choices = self._choices()

    def _choices(self):
        made = []
        for stack in self.stacks:
            for part, weight in (("gateway", 3), ("mserv1", 3), ("mserv2", 2)):
                longest = 0.8 if part == "gateway" else 4
                one = stack.parts[part]
                made += [(weight, (stack, part), f"{part} killed", self._killed(stack, one, longest)),
                         (weight, (stack, part), f"{part} restarted", self._restarted(stack, one)),
                         (weight, (stack, part), f"{part} stopped and continued", self._frozen(one))]
            made += [(2, (stack, "nginx"), "nginx worker killed", self._worker(stack, signal.SIGKILL)),
                     (1, (stack, "nginx"), "nginx worker stopped and continued", self._worker(stack, signal.SIGSTOP))]
        if self.brokers:
            for node in self.brokers.nodes:
                weight = 3 / self.brokers.count
                made += [(weight, ("node", node), "broker node killed", self._node_killed(node)),
                         (weight, ("node", node), "broker node stopped and continued", self._node_frozen(node))]
            made += [(2, "port", "broker's port cut", self._port("cut")),
                     (2, "port", "broker's port stalled", self._port("stall"))]
        for disk in self.disks:
            made.append((3 / len(self.disks), disk, "disk filled", self._filled(disk)))
        return made

    # Each returns how long it lasts and what undoes it; None: there is nothing to strike.

    def _killed(self, stack, part, longest):
        def strike():
            if not part.runs:
                return None
            part.end(signal.SIGKILL)
            return self.chance.uniform(0, longest), lambda: self._start(part)
        return strike

    def _restarted(self, stack, part):
        def strike():
            if not part.runs:
                return None
            part.send(signal.SIGTERM)
            self.ending[part] = time.monotonic() + END_MAX
            return 0, None
        return strike

    def _frozen(self, part):
        def strike():
            if not part.runs:
                return None
            part.freeze()
            return self.chance.uniform(0.05, 2.5), part.thaw
        return strike

    def _worker(self, stack, number):
        def strike():
            workers = stack.workers()
            if not workers:
                return None
            worker = self.chance.choice(sorted(workers))
            _signal(worker, number)
            return self.chance.uniform(0.05, 1.5), lambda: _signal(worker, signal.SIGCONT)
        return strike

    def _node_killed(self, node):
        def strike():
            if self.brokers.pid(node) is None or self.brokers.is_starting(node):
                return None
            self.brokers.kill(node)
            return self.chance.uniform(0, 2), lambda: self.brokers.begin_again(node)
        return strike

    def _node_frozen(self, node):
        def strike():
            if not self.brokers.send(node, signal.SIGSTOP):
                return None
            return self.chance.uniform(0.3, 5), lambda: self.brokers.send(node, signal.SIGCONT)
        return strike

    def _port(self, how):
        def strike():
            struck = self.brokers.relays
            if len(struck) > 1 and self.chance.random() < 0.5:
                struck = [self.chance.choice(struck)]
            for relay in struck:
                getattr(relay, how)()
            return self.chance.uniform(0.3, 5), lambda: [relay.mend() for relay in struck]
        return strike

    def _filled(self, disk):
        def strike():
            disk.fill()
            return self.chance.uniform(0.3, 3), disk.free
        return strike

    def _start(self, part):
        if not part.runs:
            part.start()

    def step(self):
        """What is due; a part that ended by itself is started again, and is a failure."""
        now = time.monotonic()
        while self.later and self.later[0][0] <= now:
            _, _, what, undo = heapq.heappop(self.later)
            undo()
            self.struck.discard(what)
        for part, limit in list(self.ending.items()):
            if not part.runs:
                status = part.end()
                # One that has just begun is ended by the signal itself.
                is_young = limit - END_MAX < part.begun + 1
                if status != 0 and not (status == -signal.SIGTERM and is_young):
                    self.ledger.fail("crash", f"{part.name} ended with {status} when asked to end")
                del self.ending[part]
                part.start()
            elif now > limit:
                self.counts[f"{part.name} killed since it did not end in {END_MAX} s"] += 1
                part.end(signal.SIGKILL)
                del self.ending[part]
                part.start()
        for stack in self.stacks:
            for name in PARTS:
                part = stack.parts[name]
                if part.process is not None and not part.runs and part not in self.ending:
                    status = part.end()
                    is_excused = name == "gateway" and any(disk in self.struck for disk in self.disks) and status > 0
                    if is_excused:
                        self.counts["gateway gave up on a full disk"] += 1
                    else:
                        self.ledger.fail("crash", f"{name} ended by itself with {status}: {part.said()[-600:]}")
                    self._later(0.2, None, lambda part=part: self._start(part))

    def _later(self, seconds, what, undo):
        self.order += 1
        heapq.heappush(self.later, (time.monotonic() + seconds, self.order, what, undo))

    def strike(self):
        weights, whats, names, strikes = zip(*self.choices)
        at = self.chance.choices(range(len(weights)), weights)[0]
        what = whats[at]
        is_busy = what in self.struck or (
            isinstance(what, tuple) and isinstance(what[0], Stack) and what[1] in PARTS
            and what[0].parts[what[1]] in self.ending)
        if is_busy:
            return
        outcome = strikes[at]()
        if outcome is None:
            return
        self.counts[names[at]] += 1
        seconds, undo = outcome
        if undo is not None:
            self.struck.add(what)
            self._later(seconds, what, undo)

    def run(self, seconds, calm, interval):
        """Disasters for so long, about one in `interval` seconds; none in the first `calm` seconds."""
        begun = time.monotonic()
        upcoming = begun + calm
        while (now := time.monotonic()) < begun + seconds:
            self.step()
            if now >= upcoming:
                self.strike()
                upcoming = now + self.chance.uniform(0.2, 1.8) * interval
            time.sleep(0.01)

    def mend(self):
        """Everything is brought back."""
        while self.later or self.ending:
            self.step()
            time.sleep(0.01)
        if self.brokers:
            self.brokers.finish()
        for stack in self.stacks:
            for worker in stack.workers():
                _signal(worker, signal.SIGCONT)
            for name in PARTS:
                stack.parts[name].thaw()
                self._start(stack.parts[name])
            until(lambda: stack.client.ask("/salud/listo", checked=False).status == 200,
                  f"host {stack.name} to be well again", 60)


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def follow(ledger, stacks, seconds):
    """Each 202 to its answer, on every host, and that beside the direct answer."""
    deadline = time.monotonic() + seconds
    local = threading.local()

    def one(asked):
        if not hasattr(local, "wires"):
            local.wires = [Wire(stack) for stack in stacks]
        # The host that took it first: it must know it. The others have been told by the broker, some time.
        order = [asked.host] + [n for n in range(len(stacks)) if n != asked.host]
        direct = None
        for host in order:
            wire, about = local.wires[host], f"{asked.ticket} of {asked.target} on host {stacks[host].name}"
            while True:
                answer = wire.ask(asked.ticket, {"Prefer": "wait=5"})
                is_known = answer is not None and answer != "hung" and answer[0] != 404
                if is_known and answer[0] == 303:
                    break
                is_pending = (is_known and answer[0] == 200
                              and json.loads(answer[2])["solicitud"]["estado"] in ("en_espera", "en_proceso"))
                if is_known and answer[0] == 200 and not is_pending:
                    return ledger.fail("failed", f"{about}: {answer[2][:400]!r}")
                may_come = is_pending or answer is None or (not is_known and host != asked.host)
                if not may_come and answer != "hung":
                    return ledger.fail("lost", f"{about}: {answer[0]} {answer[2][:300]!r}")
                if answer == "hung" or time.monotonic() > deadline:
                    return ledger.fail("stuck", f"{about}: {answer if answer in (None, 'hung') else answer[2][:300]!r}")
                if not is_pending:
                    time.sleep(0.05)
            answer = wire.ask(asked.ticket + "/resultado")
            if answer in (None, "hung") or answer[0] != 200:
                return ledger.fail("wrong", f"{about}: the answer is {answer!r:.400}")
            if answer[1].get("content-location") != asked.target:
                return ledger.fail("another's", f"{about}: the answer is of {answer[1].get('content-location')}")
            if flaw := ledger.flaw(asked, answer[2]):
                return ledger.fail("wrong", f"{about}: {flaw}")
            direct = direct or wire.ask(asked.target)
            if direct in (None, "hung") or direct[0] != 200 or direct[2] != answer[2]:
                return ledger.fail("wrong", f"{about}: the direct answer differs: {direct!r:.300}")
        with ledger.lock:
            ledger.outcomes["answered right"] += 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, ledger.tickets))


def report(arguments, chaos, ledger, phases):
    print(f"chaos: seed {arguments.seed}, {arguments.seconds:g} s, {len(chaos.stacks)} hosts, "
          f"{chaos.brokers.count if chaos.brokers else 0} broker nodes; all of it took {sum(phases.values()):.0f} s ("
          + ", ".join(f"{name} {seconds:.0f}" for name, seconds in phases.items()) + ")")
    print("  disasters: " + ", ".join(f"{name} {count}" for name, count in sorted(chaos.counts.items())))
    if not chaos.disks:
        print("  (no disk was filled: that needs root)")
    told = sorted(ledger.statuses.items(), key=lambda item: str(item[0]))
    print(f"  {sum(ledger.statuses.values())} answers: " + ", ".join(f"{what} {count}" for what, count in told)
          + f"; the slowest took {ledger.slowest:.1f} s")
    print("  of the 503 and 504: " + (", ".join(f"{c} {n}" for c, n in sorted(ledger.codes.items())) or "none"))
    kinds = ("answered right", "wrong", "another's", "lost", "stuck", "failed", "status", "hung", "crash")
    print(f"  {len(ledger.tickets)} tickets: " + ", ".join(f"{kind} {ledger.outcomes[kind]}" for kind in kinds))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="how long the disasters last (60)")
    parser.add_argument("--seed", default=None, help="replays requests and disasters (at random)")
    parser.add_argument("--bin", default=BINARIES, help="where gateway, mserv1 and mserv2 are (.build/release)")
    parser.add_argument("--hosts", type=int, default=2, help="complete stacks (2)")
    parser.add_argument("--nodes", type=int, default=3, help="broker nodes; 0: SQLite alone (3)")
    parser.add_argument("--clients", type=int, default=8, help="clients (8)")
    parser.add_argument("--rate", type=float, default=120, help="requests a second, all clients together (120)")
    parser.add_argument("--interval", type=float, default=0.7, help="seconds from disaster to disaster (0.7)")
    parser.add_argument("--logs", metavar="FOLDER", help="where the parts' logs go if something was wrong")
    arguments = parser.parse_args()
    arguments.seed = arguments.seed or str(random.SystemRandom().randrange(10**6))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("chaos: ended by a signal"))
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    begun = time.monotonic()

    # Before any thread: a namespace is a thread's.
    can_mount = Disk.can_be()
    with ExitStack() as exits:
        place = exits.enter_context(folder("pasarela-chaos-"))
        root = f"{place}/root"
        ledger = Ledger(plain_tree(root))
        given, brokers, disks, stacks = {}, None, [], []
        if arguments.nodes:
            brokers = exits.enter_context(Brokers(place, arguments.nodes))
            given = dict(RABBITMQ_URL=brokers.behind_relays(), TREE="caos", TREE_KEY_FILE=tree_key(place))
        for number in range(arguments.hosts if brokers else 1):
            name, state = "abcdefgh"[number], f"{place}/state-{number}"
            if can_mount:
                disks.append(Disk(state, 64 + int(arguments.seconds)))
                exits.callback(ctypes.CDLL(None).umount2, state.encode(), 2)
            stacks.append(exits.enter_context(
                Stack(place, root, name, binaries=arguments.bin, state=state, BACKLOG_TICKETS=1_000_000, **given)))
        for stack in stacks if brokers else []:
            # Who has never joined is told nothing: each must know all tickets in the end.
            until(lambda: stack.backlog("rabbitmq").get("estado") == "bien", f"the broker of {stack.name}", 60)
        if brokers:
            time.sleep(SETTLING)
        chaos = Chaos(stacks, brokers, disks, arguments.seed, ledger)
        stop = threading.Event()
        clients = [Client(n, stacks, ledger, arguments.seed, arguments.clients / arguments.rate)
                   for n in range(arguments.clients)]
        threads = [threading.Thread(target=client.run, args=(stop,), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        phases = {"begin": time.monotonic() - begun}

        @contextmanager
        def phase(name):
            since = time.monotonic()
            yield
            phases[name] = time.monotonic() - since

        try:
            with phase("disasters"):
                chaos.run(arguments.seconds, calm=min(1.0, arguments.seconds / 10), interval=arguments.interval)
            with phase("repair"):
                chaos.mend()
        finally:
            stop.set()
            for thread in threads:
                thread.join(ANSWER_MAX + 5)
        with phase("answers"):
            follow(ledger, stacks, seconds=60)
        for stack in stacks:
            for name in PARTS:
                if not stack.parts[name].runs:
                    ledger.fail("crash", f"{name} of host {stack.name} does not run in the end")
        report(arguments, chaos, ledger, phases)
        for failure in ledger.failures[:FAILURES_SHOWN]:
            print("  " + failure)
        if len(ledger.failures) > FAILURES_SHOWN:
            print(f"  … and {len(ledger.failures) - FAILURES_SHOWN} more")
        if ledger.failures and arguments.logs:
            os.makedirs(arguments.logs, exist_ok=True)
            for stack in stacks:
                for name in PARTS:
                    with open(f"{arguments.logs}/{stack.name}-{name}.log", "w", encoding="utf-8") as file:
                        file.write(stack.parts[name].said())
        if not ledger.statuses[200] or not ledger.tickets:
            print("  nothing was answered, or no ticket taken: this run proves nothing")
            return 1
        if ledger.failures:
            print(f"  FAILED; again with --seed {arguments.seed}")
        return 1 if ledger.failures else 0


if __name__ == "__main__":
    sys.exit(main())
