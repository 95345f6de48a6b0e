"""More than one host: two complete stacks of the same tree and a three-node RabbitMQ cluster between them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from client import target
from stack import Brokers, Stack, accepted, answered, beside, check_listing, folder, plain_tree, tree_key, until

L = "/listar_archivos"
TREE = "prueba"


@pytest.fixture(scope="module")
def hosts():
    with folder() as place, Brokers(place, 3) as brokers:
        root = f"{place}/root"
        truth = plain_tree(root)
        given = dict(PATIENCE=0, RABBITMQ_URL=brokers.url(), TREE=TREE, TREE_KEY_FILE=tree_key(place))
        with Stack(place, root, "a", **given) as a, Stack(place, root, "b", **given) as b:
            for stack in (a, b):
                until(lambda: stack.backlog("rabbitmq").get("estado") == "bien", f"the broker of {stack.name}", 30)
            yield a, b, brokers, truth


@pytest.fixture(autouse=True)
def all_is_well(hosts):
    yield
    a, b, _, _ = hosts
    for stack in (a, b):
        for part in ("mserv1", "mserv2"):
            if not stack.parts[part].runs:
                stack.start(part)


def known(stack, path):
    """Until a host knows a ticket that another has taken."""
    until(lambda: stack.client.ask(path).status in (200, 303), f"{path} to be known to {stack.name}")


def test_another_host_of_the_tree_processes_a_ticket_and_both_answer_for_it(hosts):
    a, b, _, truth = hosts
    a.mserv1.end()
    paths = [accepted(a.client.ask(target(L, ruta=f"/carpeta-{n}", limite=10 + n))) for n in range(8)]
    for n, path in enumerate(paths):
        check_listing(answered(a.client, path).json(), truth, f"/carpeta-{n}", 10 + n)
        known(b, path)
        check_listing(answered(b.client, path).json(), truth, f"/carpeta-{n}", 10 + n)
    assert not a.mserv1.runs, "A has had no daemon all the time"


def test_every_host_answers_for_a_ticket_that_waits_and_any_may_delete_it(hosts):
    a, b, _, _ = hosts
    a.mserv1.end()
    b.mserv1.end()
    kept, gone = (accepted(a.client.ask(target(L, limite=n))) for n in (5, 6))
    for path in (kept, gone):
        known(b, path)
    assert b.client.ask(kept).json()["solicitud"] == a.client.ask(kept).json()["solicitud"]
    assert b.client.ask(gone, method="DELETE").status == 204
    until(lambda: a.client.ask(gone).status == 404, "the deletion to reach the owner")
    b.start("mserv1")
    assert answered(a.client, kept).status == 200
    assert a.client.ask(gone).status == b.client.ask(gone).status == 404, "deleted stays deleted"


def test_a_host_that_is_gone_is_answered_for_by_the_other(hosts):
    a, b, _, truth = hosts
    a.mserv1.end()
    b.mserv1.end()
    path = accepted(a.client.ask(target(L, ruta="/carpeta-3", limite=33)))
    known(b, path)
    a.gateway.end(9)
    b.start("mserv1")
    check_listing(answered(b.client, path).json(), truth, "/carpeta-3", 33)
    a.start("gateway")
    check_listing(answered(a.client, path).json(), truth, "/carpeta-3", 33)


def test_the_node_that_leads_the_queue_is_killed_in_the_middle_and_nothing_is_lost(hosts):
    a, b, brokers, truth = hosts
    a.mserv1.end()
    b.mserv1.end()
    taken, lock = [], threading.Lock()

    def ask(stop, number):
        one, turn = a.client.another(), 0
        while not stop.is_set():
            turn += 1
            ruta, limite = f"/carpeta-{turn % 8}", 1 + (turn * 4 + number) % 900
            path = accepted(one.ask(target(L, ruta=ruta, limite=limite)))
            with lock:
                taken.append((path, ruta, limite))
        one.close()

    leader = brokers.leader(f"pasarela.{TREE}.mserv1", 1)
    with beside(ask, threads=4):
        until(lambda: len(taken) > 60, "tickets before the kill")
        brokers.kill(leader)
        before = len(taken)
        until(lambda: len(taken) > before + 60, "tickets after the kill")
    # Only the other host can answer, and only through what is left of the cluster.
    b.start("mserv1")

    def follow(one):
        path, ruta, limite = one
        mine = a.client.another()
        check_listing(answered(mine, path, 60).json(), truth, ruta, limite)
        mine.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(follow, taken))
    for path, ruta, limite in taken[:: max(1, len(taken) // 20)]:
        known(b, path)
        check_listing(answered(b.client, path).json(), truth, ruta, limite)
    assert not a.mserv1.runs
    brokers.again(leader)
    print(f"{len(taken)} tickets, node {leader} killed, all answered")
