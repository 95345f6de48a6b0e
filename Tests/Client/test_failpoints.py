"""Fail points: the gateway kills itself at each step of a ticket's life, one after the other; nothing is lost.

`gateway --fail-points` names them. For each the gateway is started with PASARELA_FAIL_POINT, driven through all that
happens to tickets until it dies there, and started again without it; then every ticket whose 202 was seen must be
answered, and rightly.
"""

import contextlib
import http.client
import subprocess
import time

import pytest

from client import target
from failing_daemon import FailingDaemon
from stack import BINARIES, Brokers, Stack, answered, check_listing, folder, plain_tree, tree_key, until

L = "/listar_archivos"


def names():
    done = subprocess.run([f"{BINARIES}/gateway", "--fail-points"], capture_output=True, text=True)
    return done.stdout.split() if done.returncode == 0 else []


NAMES = names()


class Host:
    """The gateway that is to die, its daemons, and beside it a broker and another host of the tree, or neither."""

    def __init__(self, stack, truth, scratch, other=None):
        self.stack, self.truth, self.scratch, self.other, self.number = stack, truth, scratch, other, 0
        self.taken, self.deleted = {}, set()
        # Those whose deletion a client has seen done.
        self.gone = set()

    def is_dead(self):
        return not self.stack.gateway.runs

    def ask(self, path, headers=None, method="GET"):
        """An answer, or None where the gateway died over it."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = self.stack.client.ask(path, headers, method=method, checked=False)
            assert answer.status in (200, 202, 204, 303, 404, 409, 503), (answer.status, answer.body[:300])
            return answer
        return None

    def take(self, headers=None, of=None):
        """Asks for something new; its ticket's path, or None."""
        self.number += 1
        given = dict(ruta=f"/carpeta-{self.number % 8}", limite=1 + self.number % 1000)
        answer = None
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = (of or self.stack).client.ask(target(L, **given), headers, checked=False)
        if answer is None or answer.status == 503:
            return None
        if answer.status == 200:
            check_listing(answer.json(), self.truth, given["ruta"], given["limite"])
            return None
        assert answer.status == 202, (answer.status, answer.body[:300])
        self.taken[answer.one("Location")] = (given["ruta"], given["limite"])
        return answer.one("Location")

    def settled(self, path, seconds=4):
        """Until a ticket is answered, or the gateway is dead."""
        deadline = time.monotonic() + seconds
        while path and not self.is_dead() and time.monotonic() < deadline:
            answer = self.ask(path, {"Prefer": "wait=1"})
            if answer is not None and answer.status in (303, 404):
                return

    def begin(self, part, **more):
        """Starts the gateway, which may die in that; or a daemon, whatever the gateway says of it."""
        one = self.stack.parts[part].start(**more)
        until(lambda: not one.runs or self.listens(part), f"{part} to come up or to die")

    def listens(self, part):
        try:
            self.stack.listens(part)
            return True
        except AssertionError:
            return False

    def stages(self):
        """All that happens to tickets, a step at a time. mserv1 is away at first, and a ticket waits."""
        mserv1 = self.stack.mserv1
        yield self.take
        doomed = []
        yield lambda: doomed.append(self.take())
        yield lambda: self.take({"Prefer": "wait=0"})

        def delete():
            if doomed[0]:
                self.deleted.add(doomed[0])
                answer = self.ask(doomed[0], method="DELETE")
                if answer is not None and answer.status == 204:
                    self.gone.add(doomed[0])

        yield delete
        yield lambda: mserv1.runs or self.begin("mserv1")
        yield lambda: [self.settled(path) for path in list(self.taken) if path not in self.deleted]
        yield lambda: [self.ask(path + "/resultado") for path in list(self.taken)]
        yield lambda: self.settled(self.take({"Prefer": "respond-async"}))
        if self.other:
            yield mserv1.end
            # The other host helps this one, and this one hears the result.
            yield lambda: self.settled(self.take())
            yield self.other.mserv1.end
            path = []
            yield lambda: path.append(self.take(of=self.other))
            yield lambda: mserv1.runs or self.begin("mserv1")
            # This one helps the other.
            yield lambda: self.settled(path[0])
            yield lambda: self.other.start("mserv1")

    def failures(self):
        """What happens to tickets whose daemon answers with a failure: this host's own, and another's."""
        with FailingDaemon(f"{self.stack.runtime}/mserv1.sock", self.scratch) as daemon:
            yield lambda: self.stack.daemon_is("mserv1", "bien")
            if self.other:
                yield self.other.mserv1.end
                # Both hosts take dead letters, in turn: of several this one gets some.
                yield lambda: [self.take(of=self.other) for _ in range(4)]
            else:
                # Failed once, it pauses; its operator has it tried again.
                path = self.take({"Prefer": "respond-async"})
                until(lambda: daemon.calls, "the first failure")
                yield lambda: until(lambda: self.is_dead() or self.retry(path), "the ticket to be tried again")
            # While the daemon still fails.
            yield self.wait_for_death

    def wait_for_death(self):
        """Some of it happens by itself, later on a busy machine."""
        deadline = time.monotonic() + 20
        while not self.is_dead() and time.monotonic() < deadline:
            time.sleep(0.01)

    def retry(self, path):
        return self.stack.operate("retry", path.rpartition("/")[2]).returncode == 0

    def drive(self, name):
        """To its death at a fail point; False where it never came there."""
        self.stack.mserv1.end()
        if not self.is_dead():
            # What waits from a life before is there at the start.
            self.take()
            assert self.stack.gateway.end() == 0
        self.begin("gateway", PASARELA_FAIL_POINT=name)
        with contextlib.closing(self.failures() if name in OF_FAILURES else self.stages()) as stages:
            for stage in stages:
                if self.is_dead():
                    break
                try:
                    stage()
                except AssertionError:
                    # The end of a wait for what a dead gateway does not tell.
                    if not self.is_dead():
                        raise
            self.wait_for_death()
        died = self.is_dead()
        status = self.stack.gateway.end()
        assert status == (-9 if died else 0), (name, status, self.stack.gateway.said()[-2000:])
        return died

    def check(self):
        """All is well again, and nothing was lost."""
        if self.other and not self.other.mserv1.runs:
            self.other.start("mserv1")
        self.stack.start("gateway")
        if not self.stack.mserv1.runs:
            self.stack.start("mserv1")
        for path, (ruta, limite) in self.taken.items():
            hosts = [self.stack, self.other] if self.other else [self.stack]
            for stack in hosts:
                if path in self.gone and stack is self.stack:
                    assert stack.client.ask(path).status == 404, f"{path} was deleted"
                if path in self.deleted and stack.client.ask(path).status == 404:
                    continue
                if stack is self.other:
                    until(lambda: stack.client.ask(path).status != 404 or path in self.deleted, f"{path} to be known")
                if path not in self.deleted:
                    check_listing(answered(stack.client, path).json(), self.truth, ruta, limite)
        self.taken.clear()
        self.deleted.clear()
        self.gone.clear()
        answer = self.stack.client.ask(target(L, ruta="/carpeta-1", limite=7))
        check_listing(answer.json(), self.truth, "/carpeta-1", 7)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    with folder() as place:
        root = f"{place}/root"
        truth = plain_tree(root)
        with Stack(place, root, PATIENCE=0) as stack:
            yield Host(stack, truth, str(tmp_path_factory.mktemp("protos")))


@pytest.fixture(scope="module")
def with_broker(tmp_path_factory):
    with folder() as place, Brokers(place, 1) as brokers:
        root = f"{place}/root"
        truth = plain_tree(root)
        given = dict(PATIENCE=0, RABBITMQ_URL=brokers.url(), TREE="prueba", TREE_KEY_FILE=tree_key(place))
        with Stack(place, root, "a", **given) as a, Stack(place, root, "b", **given) as b:
            for stack in (a, b):
                until(lambda: stack.backlog("rabbitmq").get("estado") == "bien", f"the broker of {stack.name}", 30)
            yield Host(a, truth, str(tmp_path_factory.mktemp("protos")), b)


def test_there_are_at_least_twenty():
    assert len(NAMES) >= 20 and len(set(NAMES)) == len(NAMES), NAMES


# How the names begin of those that have a broker in their way.
OF_THE_BROKER = ("outbox", "publish", "confirm", "told", "delivery", "merge", "offer", "acknowledge", "reject",
                 "deadLetter")
# Those that only a daemon's failure leads to.
OF_FAILURES = ("retryWritten", "rejectBefore", "deadLetterPublished")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "expiryWritten"])
def test_a_gateway_that_is_killed_there_loses_nothing(name, request):
    host = request.getfixturevalue("with_broker" if name.startswith(OF_THE_BROKER) else "alone")
    died = host.drive(name)
    host.check()
    assert died, f"nothing came by {name}"


def test_a_gateway_that_is_killed_while_a_ticket_expires_expires_it_when_it_is_back():
    with folder() as place:
        root = f"{place}/root"
        plain_tree(root)
        with Stack(place, root, PATIENCE=0, TICKET_LIFE=1) as stack:
            stack.mserv1.end()
            assert stack.gateway.end() == 0
            stack.gateway.start(PASARELA_FAIL_POINT="expiryWritten")
            stack.listens("gateway")
            path = stack.client.ask(L).one("Location")
            until(lambda: not stack.gateway.runs, "its death")
            assert stack.gateway.end() == -9
            stack.start("gateway")
            until(lambda: stack.client.ask(path).status == 410, "the ticket to expire")
            stack.start("mserv1")
            assert stack.client.ask(path).status == 410
