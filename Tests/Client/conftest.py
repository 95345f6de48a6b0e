"""What every test shares: the running service, told by the environment, and the tree it serves.

    PASARELA_URL  PASARELA_CA           the address and the certificate to trust
    PASARELA_ROOT                       the folder served: empty at first, filled and emptied here
    PASARELA_RUNTIME_DIR                where mserv1.sock and mserv2.sock are
    PASARELA_PIDS                       a JSON file: {"gateway": pid, "mserv1": …, "mserv2": …, …}
    PASARELA_ACCESS_LOG                 nginx's access log
    PASARELA_HIDDEN                     as the service has it; "no" selects the tests marked no_hidden
    SEED                                replays a run
"""

import json
import os
import random
import shutil
import tempfile

import pytest

import odd_tree
import oracle
from client import Client

HIDDEN = os.environ.get("PASARELA_HIDDEN", "yes") == "yes"
SEED = os.environ.get("SEED") or str(random.SystemRandom().randrange(10**6))


def pytest_configure(config):
    config.addinivalue_line("markers", "no_hidden: for a service with PASARELA_HIDDEN=no")


def pytest_report_header():
    return f"SEED={SEED} PASARELA_HIDDEN={'yes' if HIDDEN else 'no'}"


def pytest_collection_modifyitems(config, items):
    fitting = [item for item in items if HIDDEN == (item.get_closest_marker("no_hidden") is None)]
    config.hook.pytest_deselected(items=[item for item in items if item not in fitting])
    items[:] = fitting


def pytest_terminal_summary(terminalreporter):
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        terminalreporter.write_line(f"Replay with SEED={SEED}")


@pytest.fixture(scope="session")
def seed():
    return SEED


@pytest.fixture(scope="session")
def root():
    """The odd tree, made for the session and taken away after it."""
    path = os.environ["PASARELA_ROOT"]
    assert not os.listdir(path), f"{path} is not empty"
    try:
        odd_tree.build(path, SEED)
        yield os.fsencode(path)
    finally:
        odd_tree.remove(path)


@pytest.fixture(scope="session")
def client(root):
    made = Client(os.environ["PASARELA_URL"], os.environ["PASARELA_CA"])
    yield made
    made.close()


@pytest.fixture(scope="session")
def pids():
    with open(os.environ["PASARELA_PIDS"], encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture
def tree(root):
    """The tree as the oracle sees it now."""
    return oracle.read(root)


@pytest.fixture
def folder(root):
    """A fresh folder beneath the root, gone after the test: (its path on disk, its `ruta`)."""
    name = b"prueba-" + os.urandom(6).hex().encode()
    path = os.path.join(root, name)
    os.mkdir(path)
    yield path, b"/" + name
    shutil.rmtree(path)


@pytest.fixture
def chance(request, seed):
    """Random numbers of a test's own, the same for the same seed."""
    return random.Random(f"{request.node.nodeid} {seed}")


@pytest.fixture(scope="session")
def scratch():
    with tempfile.TemporaryDirectory() as path:
        yield path
