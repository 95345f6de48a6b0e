"""Paging while files come and go, many clients at once, and the truth rule: nothing is late."""

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import oracle
from client import target

STABLE = 10_000


@pytest.fixture(scope="module")
def crowd(root):
    """A folder of 10,000 files that stay, for the tests of this module."""
    path = os.path.join(root, b"multitud")
    os.mkdir(path)
    for number in range(STABLE):
        with open(path + b"/estable %d" % (number * 3), "wb"):
            pass
    yield path, b"/multitud"
    for item in os.scandir(path):
        os.unlink(item.path)
    os.rmdir(path)


class Churn(threading.Thread):
    """Creates, deletes and renames other files, evenly among the stable ones, until told to stop."""

    def __init__(self, path, seed):
        super().__init__(name="churn")
        self.path, self.chance, self.done = path, random.Random(seed), threading.Event()
        self.names, self.turns, self.error = [], 0, None

    def name(self):
        number = self.chance.randrange(STABLE * 3)
        form = self.chance.choice([b"estable %d volatil", b"volatil %d", b"ESTABLE %d volatil"])
        return self.path + b"/" + form % number

    def run(self):
        try:
            while not self.done.is_set():
                self.turn()
                self.turns += 1
        except OSError as error:
            self.error = error
        finally:
            for name in self.names:
                if os.path.lexists(name):
                    os.unlink(name)

    def turn(self):
        kind = self.chance.random()
        if kind < 0.4 or not self.names:
            name = self.name()
            if name not in self.names:
                with open(name, "wb"):
                    self.names.append(name)
        elif kind < 0.7:
            os.unlink(self.names.pop(self.chance.randrange(len(self.names))))
        else:
            old = self.names.pop(self.chance.randrange(len(self.names)))
            new = self.name()
            os.rename(old, new)
            if new not in self.names:
                self.names.append(new)
        if len(self.names) > 400:
            os.unlink(self.names.pop(0))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()
        assert self.error is None and self.turns > 50, (self.error, self.turns)


@pytest.mark.parametrize("order", ["natural", "-natural", "nombre", "-nombre"])
@pytest.mark.parametrize("path, more", [("/listar_archivos", {}),
                                        ("/buscar_archivos", {"q": "estable -zzz"})])
def test_each_entry_that_stays_is_given_once_in_order(client, crowd, seed, order, path, more):
    place, ruta = crowd
    names = []
    with Churn(place, f"churn {seed} {order} {path}"):
        asked = target(path, ruta=ruta, limite=499, orden=order, total="no", **more)
        for _, document in client.pages(asked):
            assert document["completo"] is True and document["avisos"] == []
            names += [entry["nombre"] for entry in document["entradas"]]
    nodes = [oracle.Node(name.encode(), name.encode(), "archivo", 0, 0, 0) for name in names]
    assert names == [node.name.decode() for node in oracle.sorted_nodes(nodes, order)]
    assert len(set(names)) == len(names), "an entry twice"
    stable = [name for name in names if name.removeprefix("estable ").isdigit()]
    assert len(stable) == STABLE


def test_a_page_goes_on_behind_an_entry_that_is_gone(client, folder):
    path, ruta = folder
    for number in range(30):
        open(path + b"/%d" % number, "wb").close()
    for endpoint, more in (("/listar_archivos", {}), ("/buscar_archivos", {"tipo": "archivo"})):
        first = client.get(endpoint, ruta=ruta, limite=10, **more)
        os.unlink(path + b"/9")
        os.unlink(path + b"/10")
        rest = [e["nombre"] for _, page in client.pages(first.next) for e in page["entradas"]]
        assert rest == [str(number) for number in range(11, 30)]
        for number in (9, 10):
            open(path + b"/%d" % number, "wb").close()


def test_64_clients_at_once_get_right_answers(client, root, seed):
    tree = oracle.read(root)
    cases = []
    for ruta in (b"/orden", b"/nombres", b"/mezcla", b"/contrato", b"/tiempos", b"/vacia"):
        cases.append((target("/listar_archivos", ruta=ruta, limite=1000),
                      oracle.listing(tree, ruta).entries))
        for query in ("a", "nino", "*1*", "-e"):
            cases.append((target("/buscar_archivos", ruta=ruta, q=query, limite=1000),
                          oracle.search(tree, ruta, query).entries))

    def one(number):
        chance, mine = random.Random(f"clients {seed} {number}"), client.another()
        try:
            for _ in range(40):
                asked, entries = chance.choice(cases)
                answer = mine.ask(asked)
                assert answer.status == 200, (answer.status, answer.body)
                assert answer.json()["entradas"] == entries
        finally:
            mine.close()
        return number

    with ThreadPoolExecutor(64) as pool:
        assert sorted(pool.map(one, range(64))) == list(range(64))


def names_of(client, endpoint, **given):
    answer = client.get(endpoint, **given)
    assert answer.status == 200, answer.body
    return {entry["nombre"]: entry for entry in answer.json()["entradas"]}


def test_what_is_made_is_there_and_what_is_deleted_is_gone(client, folder):
    """A thousand times: an answer asked for after a change shows it, listed and found."""
    path, ruta = folder
    for number in range(1000):
        name = f"cosa {number}"
        place = os.path.join(path, name.encode())
        with open(place, "wb") as file:
            file.write(b"x" * (number % 7))
        listed = names_of(client, "/listar_archivos", ruta=ruta)
        found = names_of(client, "/buscar_archivos", ruta=ruta, q=name)
        assert list(listed) == [name] == list(found)
        assert listed[name]["tamano"] == number % 7 == found[name]["tamano"]
        os.unlink(place)
        assert names_of(client, "/listar_archivos", ruta=ruta) == {}
        assert names_of(client, "/buscar_archivos", ruta=ruta, q="cosa") == {}


def test_every_kind_of_change_shows_at_once(client, root, folder, chance):
    """Random changes of every kind; after each one the folder is as the oracle sees it."""
    path, ruta = folder
    for turn in range(300):
        here = [item.name for item in os.scandir(path)]
        name = os.path.join(path, b"n%d" % chance.randrange(12))
        kind = chance.randrange(9)
        if not os.path.lexists(name):
            if kind < 4:
                open(name, "wb").close()
            elif kind < 6:
                os.mkdir(name)
            elif kind < 7:
                os.symlink(b"n%d" % chance.randrange(12), name)
            elif here:
                os.rename(os.path.join(path, chance.choice(here)), name)
        elif os.path.islink(name) or (os.path.isfile(name) and kind < 3):
            os.unlink(name)
        elif os.path.isfile(name):
            if kind < 6:
                with open(name, "ab") as file:
                    file.write(b"mas")
            else:
                os.utime(name, ns=(0, chance.randrange(2**60)))
        elif kind < 4:
            os.mkdir(os.path.join(name, b"sub %d" % turn))  # Changes the folder's own time.
        elif not os.listdir(name):
            os.rmdir(name)
        tree = oracle.read(root)
        entries = client.get("/listar_archivos", ruta=ruta).json()["entradas"]
        assert entries == oracle.listing(tree, ruta).entries, turn
        entries = client.get("/buscar_archivos", ruta=ruta, q="n -z", limite=1000).json()["entradas"]
        assert entries == oracle.search(tree, ruta, "n -z").entries, turn


def test_a_folder_that_is_replaced_is_the_new_one(client, folder):
    path, ruta = folder
    for number in range(50):
        inner = os.path.join(path, b"dentro")
        os.mkdir(inner)
        open(os.path.join(inner, b"f%d" % number), "wb").close()
        assert list(names_of(client, "/listar_archivos", ruta=ruta + b"/dentro")) == [f"f{number}"]
        os.rename(inner, os.path.join(path, b"vieja %d" % number))
        assert client.get("/listar_archivos", ruta=ruta + b"/dentro").status == 404


@pytest.mark.parametrize("endpoint", ["/listar_archivos", "/buscar_archivos"])
def test_many_who_ask_the_same_at_once_each_see_their_own_change(root, client, endpoint):
    """Truth: every change finished before the request came in is in the answer, also where requests share a call."""
    path = os.path.join(root, b"compartido")
    os.mkdir(path)
    query = {"ruta": b"/compartido", "limite": "1000"}
    if endpoint == "/buscar_archivos":
        query["q"] = "mio"

    def own(worker):
        mine = client.another()
        try:
            for turn in range(60):
                name = f"mio {worker}-{turn}"
                file = os.path.join(path, os.fsencode(name))
                with open(file, "wb"):
                    pass
                assert name in names_of(mine, endpoint, **query)
                os.unlink(file)
                assert name not in names_of(mine, endpoint, **query)
        finally:
            mine.close()

    try:
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(own, range(12)))
    finally:
        os.rmdir(path)
