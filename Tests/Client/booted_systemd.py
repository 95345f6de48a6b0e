"""Pasarela installed in a booted systemd (systemd/boot): what an operator does, and what comes of it.

    BIN   where gateway, mserv1 and mserv2 are

Run inside only: it installs into the machine that it runs on. What is asserted is what `systemctl show`, the journal and
HTTPS answers say, never a unit's text.
"""

import collections
import contextlib
import ctypes
import grp
import itertools
import json
import os
import pwd
import re
import shutil
import signal
import ssl
import subprocess
import threading
import time
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BINARIES = os.environ.get("BIN") or str(REPOSITORY / ".build" / "static" / "release")
SERVICES = ("mserv1", "mserv2", "gateway")
ROUNDS = int(os.environ.get("ROUNDS", "100"))
TREE = Path("/srv/pasarela")

assert os.environ.get("PASARELA_BOOTED") == "yes", "only inside systemd/boot"


def command(*words, fails=False):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert fails or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def install(verb, *settings):
    """By `make`, as an operator does."""
    binaries = (f"BIN={BINARIES}",) if verb == "install" else ()
    command("make", "--directory", str(REPOSITORY), verb, *binaries, *settings)


def show(unit, name):
    return command("systemctl", "show", "-P", name, unit).stdout.strip()


def is_active(unit):
    return command("systemctl", "is-active", unit, fails=True).stdout.strip() == "active"


def journal(*matches):
    lines = command("journalctl", "--boot", "--output=json", "--no-pager", *matches, fails=True).stdout
    return [json.loads(line) for line in lines.splitlines()]


@contextlib.contextmanager
def drop_in(service, text):
    """What a unit says besides, until the end."""
    file = Path(f"/run/systemd/system/{service}.service.d/test.conf")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    try:
        command("systemctl", "daemon-reload")
        yield
    finally:
        file.unlink()
        command("systemctl", "daemon-reload")


def until(condition, what, seconds=20.0):
    """The first true value of `condition()`; nothing tells of it, so it is looked at again and again."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
        time.sleep(0.01)
    return found


def ask(target, method="GET", headers=None, connection=None):
    """(status, headers, body) of a request; the certificate made at the install is trusted, nothing else."""
    trust = ssl.create_default_context(cafile="/etc/pasarela/tls/certificate.pem")
    connection = connection or HTTPSConnection("localhost", 5000, context=trust, timeout=30)
    connection.request(method, target, headers=headers or {})
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


class Load:
    """Clients that ask all the time, each over a connection that it keeps. A request whose connection ended before any
    byte of its answer is sent again, once: RFC 9110, 9.2.2."""

    def __init__(self, targets=("/listar_archivos", "/buscar_archivos?q=camion"), clients=4):
        self.answers, self.ends = collections.Counter(), threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(targets[i % len(targets)],)) for i in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        until(lambda: self.answers.total() > 10, "the first answers")
        return self.answers

    def __exit__(self, *_):
        self.ends.set()
        for thread in self.threads:
            thread.join()

    def _run(self, target):
        trust, connection = ssl.create_default_context(cafile="/etc/pasarela/tls/certificate.pem"), None
        while not self.ends.is_set():
            for attempt in (1, 2):
                try:
                    connection = connection or HTTPSConnection("localhost", 5000, context=trust, timeout=30)
                    self.answers[ask(target, connection=connection)[0]] += 1
                    break
                except (OSError, HTTPException) as failure:
                    connection.close()
                    connection = None
                    if attempt == 2:
                        self.answers[repr(failure)] += 1


def nothing_lost(answers):
    """A daemon that needs longer than a request's patience on a machine that is busy otherwise makes a ticket of it; that
    is none lost, and seldom."""
    assert set(answers) <= {200, 202} and answers[202] * 200 <= answers[200], answers


@pytest.fixture(scope="module", autouse=True)
def installed():
    # What the machine has of a Pasarela of its own is none of the tests' (all of it is a copy, and lost afterwards).
    for place in (TREE, Path("/var/lib/pasarela"), Path("/etc/pasarela"), Path("/run/pasarela")):
        shutil.rmtree(place, ignore_errors=True)
    command("useradd", "--system", "stranger")
    install("install")
    for name in ("Camión.pdf", "informes"):
        (TREE / name).mkdir() if "." not in name else (TREE / name).touch()
    yield
    print(command("journalctl", "--boot", "--no-pager", "-n", "200", fails=True).stdout)


@pytest.fixture(autouse=True)
def running(installed):
    """Each test begins with all of it running, however the one before it ended."""
    command("systemctl", "reset-failed")
    command("systemctl", "start", "pasarela.target", "nginx", *(f"{service}.service" for service in SERVICES))
    until(lambda: ask("/salud/listo")[0] == 200, "readiness")


def test_after_the_install_https_answers():
    status, _, body = ask("/listar_archivos")
    assert status == 200
    assert [entry["nombre"] for entry in json.loads(body)["entradas"]] == ["Camión.pdf", "informes"]
    status, _, body = ask("/buscar_archivos?q=camion")
    assert status == 200 and [entry["nombre"] for entry in json.loads(body)["entradas"]] == ["Camión.pdf"]


def test_other_sites_of_nginx_are_left_alone():
    page = subprocess.run(["curl", "-s", "http://localhost:80/"], capture_output=True, text=True).stdout
    assert "nginx" in page


def test_each_service_says_how_it_is():
    for service in SERVICES:
        assert show(service, "Type") == "notify" and int(show(service, "WatchdogUSec").rstrip("s") or 0) > 0, service


def test_the_status_line_lives():
    def says(service, *words):
        until(lambda: all(word in show(service, "StatusText") for word in words), f"{words} of {service}")

    for service in ("mserv1", "mserv2"):
        says(service, "serves /srv/pasarela", "answered")
    command("systemctl", "stop", "mserv1")
    assert ask("/listar_archivos", headers={"Prefer": "wait=0"})[0] == 202
    says("gateway", "mserv1 absent", "mserv2 well", "1 ticket waits")
    command("systemctl", "start", "mserv1")
    says("gateway", "mserv1 well", "0 tickets wait")


@pytest.mark.parametrize(("socket", "user", "group", "mode"), [
    ("gateway", "_pasarela-gateway", "www-data", 0o660), ("gateway-control", "root", "root", 0o600),
    ("mserv1", "_pasarela-mserv1", "_pasarela-gateway", 0o660), ("mserv2", "_pasarela-mserv2", "_pasarela-gateway", 0o660),
])
def test_only_who_has_to_can_connect(socket, user, group, mode):
    path = Path(f"/run/pasarela/{socket}.sock")
    status = path.stat()
    assert (path.owner(), grp.getgrgid(status.st_gid).gr_name, status.st_mode & 0o777) == (user, group, mode)
    code = f"import socket; socket.socket(socket.AF_UNIX).connect('{path}')"
    refused = command("setpriv", "--reuid=stranger", "--regid=nogroup", "--clear-groups", "/usr/bin/python3", "-c", code, fails=True)
    assert "PermissionError" in refused.stderr


def test_stop_means_stop_and_start_answers_the_tickets():
    command("systemctl", "stop", "mserv1")
    status, headers, _ = ask("/listar_archivos")
    assert status == 202
    for _ in range(20):
        assert ask("/listar_archivos", headers={"Prefer": "wait=0"})[0] == 202
    assert not is_active("mserv1.service") and not is_active("mserv1.socket")
    command("systemctl", "start", "mserv1")
    place = headers["Location"]
    until(lambda: ask(place)[0] == 303, "the ticket's answer")
    status, _, body = ask(place + "/resultado")
    assert status == 200 and len(json.loads(body)["entradas"]) == 2


def test_a_stopped_gateway_stays_stopped_and_nginx_answers():
    command("systemctl", "stop", "gateway")
    for _ in range(5):
        status, _, body = ask("/listar_archivos")
        assert status == 503 and json.loads(body)["codigo"] == "servicio_ausente"
    assert not is_active("gateway.service")


def test_stopping_the_target_stops_all_but_nginx():
    command("systemctl", "stop", "pasarela.target")
    until(lambda: not any(is_active(f"{service}.service") for service in SERVICES), "the services' end")
    assert is_active("nginx")


@pytest.mark.parametrize("service", SERVICES)
def test_restarts_under_load_lose_nothing(service):
    with Load() as answers:
        for _ in range(ROUNDS):
            command("systemctl", "restart", service)
    print(f"{service}: {ROUNDS} restarts under load: {dict(answers)}")
    nothing_lost(answers)


@pytest.mark.parametrize("service", SERVICES)
def test_kills_under_load_lose_nothing(service):
    with Load() as answers:
        for _ in range(ROUNDS):
            pid = int(show(service, "MainPID"))
            os.kill(pid, signal.SIGKILL)
            until(lambda: show(service, "MainPID") not in ("0", str(pid)) and is_active(service), f"a new {service}")
            # Whoever dies again before it has answered anybody is no matter of a single kill.
            until(lambda: ask("/salud/listo")[0] == 200, f"answers of {service}")
    print(f"{service}: {ROUNDS} kills under load: {dict(answers)}")
    nothing_lost(answers)


def test_reloads_of_nginx_under_load_lose_nothing():
    with Load() as answers:
        for _ in range(ROUNDS):
            command("systemctl", "reload", "nginx")
    print(f"nginx: {ROUNDS} reloads under load: {dict(answers)}")
    assert set(answers) == {200}


@pytest.mark.parametrize("service", SERVICES)
def test_a_reload_takes_a_good_configuration_and_refuses_a_bad_one(service):
    file = Path("/etc/pasarela/pasarela.conf")
    before = file.read_text()
    pid = show(service, "MainPID")
    try:
        with Load() as answers:
            file.write_text(before + "PASARELA_LOG_REQUESTS=yes\n")
            command("systemctl", "reload", service)
            until(lambda: journal(f"_PID={pid}", "EVENT_NAME=reloaded"), "the reload's line")
            # Successes are logged now, by the same process.
            # Not one of the load's: that may share another's call, which has the other's id.
            target = "/buscar_archivos?q=camion" if service == "mserv2" else "/listar_archivos"
            assert ask(target + ("&" if "?" in target else "?") + "limite=7", headers={"X-Request-Id": f"recarga-{service}"})[0] == 200
            until(lambda: journal(f"REQUEST_ID=recarga-{service}", f"_PID={pid}"), "a success in the journal")
            file.write_text(before + "PASARELA_LOG_REQUESTS=maybe\n")
            assert command("systemctl", "reload", service, fails=True).returncode != 0
            line = until(lambda: journal(f"_SYSTEMD_UNIT={service}.service", "EVENT_NAME=reload_refused"), "the refusal's line")[-1]
            assert "PASARELA_LOG_REQUESTS=maybe" in line["MESSAGE"] and line["PRIORITY"] == "3"
            os.kill(int(pid), signal.SIGHUP)
            line = until(lambda: journal(f"_PID={pid}", "EVENT_NAME=reload_refused"), "the refusal's line")[-1]
        assert "PASARELA_LOG_REQUESTS=maybe" in line["MESSAGE"] and line["MESSAGE_ID"]
        assert set(answers) == {200}
        assert show(service, "MainPID") == pid
    finally:
        file.write_text(before)
        command("systemctl", "reload", service)


def test_a_request_is_found_in_gateway_and_daemon_by_its_id():
    assert ask("/listar_archivos?ruta=/nada", headers={"X-Request-Id": "diario-4"})[0] == 404
    lines = until(lambda: (found := journal("REQUEST_ID=diario-4")) and len(found) == 2 and found, "both lines")
    assert {line["SYSLOG_IDENTIFIER"] for line in lines} == {"gateway", "mserv1"}
    gateway = next(line for line in lines if line["SYSLOG_IDENTIFIER"] == "gateway")
    assert gateway["HTTP_RESPONSE_STATUS_CODE"] == "404" and int(gateway["DURATION_US"]) > 0


def test_what_a_client_sends_can_forge_no_line():
    forged = "/listar_archivos?ruta=/nada%0AMESSAGE=forged%1B%5B2J%E2%80%AE%00"
    status, headers, _ = ask(forged)
    assert status in (400, 404)
    lines = until(lambda: journal(f"REQUEST_ID={headers['X-Request-Id']}"), "the request's line")
    assert not journal("MESSAGE=forged")
    for line in lines:
        for value in line.values():
            # What journald finds unprintable is an array of numbers.
            assert isinstance(value, str) and value.isprintable(), line


@pytest.mark.parametrize("service", SERVICES)
def test_the_life_of_a_service_is_a_line_each_and_each_is_explained(service):
    command("systemctl", "restart", service)
    pid = show(service, "MainPID")
    command("systemctl", "reload", service)
    until(lambda: journal(f"_PID={pid}", "EVENT_NAME=reloaded"), "the reload's line")
    command("systemctl", "stop", service)
    until(lambda: journal(f"_PID={pid}", "EVENT_NAME=stopped"), "its last line")
    lines = journal(f"_PID={pid}", f"_COMM={service}")
    events = [line["EVENT_NAME"] for line in lines if "MESSAGE_ID" in line]
    assert [event for event, _ in itertools.groupby(events)] == ["starting", "ready", "reloaded", "stopping", "stopped"]
    # What a library says would come by syslog(3) or standard error.
    assert {line["_TRANSPORT"] for line in lines} == {"journal"}, lines
    for line in (line for line in lines if "MESSAGE_ID" in line):
        assert "pasarela(7)" in command("journalctl", "--dump-catalog", line["MESSAGE_ID"]).stdout


def test_the_journal_keeps_what_must_be_seen(tmp_path):
    count = 60_000  # Of these journald's default keeps some 35,000.
    with drop_in("mserv1", f"[Service]\nExecStartPost=/usr/bin/seq -f 'flood %%.0f' {count}\n"):
        command("systemctl", "restart", "mserv1")

        def kept():
            return command("bash", "-c", "journalctl --boot -u mserv1 --output=cat | grep -c ^flood", fails=True).stdout.strip()

        until(lambda: kept() == str(count), f"{count} lines in the journal")


def test_units_are_without_a_flaw():
    units = [f"{name}.{kind}" for name in SERVICES for kind in ("service", "socket")]
    checked = command("systemd-analyze", "verify", "pasarela.target", "gateway-control.socket", *units, fails=True)
    assert not re.search("pasarela|gateway|mserv", checked.stderr), checked.stderr


def test_a_daemons_absence_is_explained():
    command("systemctl", "stop", "mserv2")
    ask("/buscar_archivos?q=x", headers={"Prefer": "wait=0"})
    line = until(lambda: journal("EVENT_NAME=daemon_absent", "SERVICE_PEER_NAME=mserv2"), "the absence's line")[-1]
    explained = command("journalctl", "--boot", "-x", "--no-pager", f"MESSAGE_ID={line['MESSAGE_ID']}").stdout
    assert "systemctl start mserv2" in explained
    command("systemctl", "start", "mserv2")
    until(lambda: journal("EVENT_NAME=daemon_back", "SERVICE_PEER_NAME=mserv2"), "the return's line")


def test_a_hung_service_is_ended_and_started_again():
    pid = show("mserv1", "MainPID")
    command("systemctl", "kill", "--signal=STOP", "mserv1")
    until(lambda: show("mserv1", "MainPID") not in ("0", pid) and is_active("mserv1"), "a new mserv1", seconds=30)
    assert any("Watchdog timeout" in line["MESSAGE"] for line in journal("_PID=1", "UNIT=mserv1.service"))


class StoppedThreads:
    """Threads of a process that stand still while its others run (ptrace(2))."""

    SEIZE, INTERRUPT, WAIT_ALL = 0x4206, 0x4207, 0x40000000

    def __init__(self, pid, is_one):
        self.threads = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir() if is_one((task / "comm").read_text().strip())]
        assert self.threads
        for thread in self.threads:
            self._trace(self.SEIZE, thread)
        for thread in self.threads:
            self._trace(self.INTERRUPT, thread)
            os.waitpid(thread, self.WAIT_ALL)

    def _trace(self, request, thread):
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.ptrace(request, thread, None, None) == 0, os.strerror(ctypes.get_errno())

    def reap(self):
        """Those that have been killed: the process does not end before."""
        for thread in list(self.threads):
            try:
                if os.waitpid(thread, self.WAIT_ALL | os.WNOHANG)[0]:
                    self.threads.remove(thread)
            except ChildProcessError:
                self.threads.remove(thread)


@pytest.mark.parametrize(("service", "names"), [("gateway", "^fastcgi"), ("mserv2", "^rpc")])
def test_hung_threads_are_noticed_while_the_others_run(service, names):
    pid = show(service, "MainPID")
    stopped = StoppedThreads(pid, lambda name: re.match(names, name))

    def is_new():
        stopped.reap()
        return show(service, "MainPID") not in ("0", pid) and is_active(service)

    until(is_new, f"a new {service}", seconds=40)
    assert journal("EVENT_NAME=hung", f"_PID={pid}")
    until(lambda: ask("/salud/listo")[0] == 200, "readiness")


def test_a_wrong_configuration_ends_in_one_line():
    command("systemctl", "stop", "mserv1")
    with drop_in("mserv1", "[Service]\nEnvironment=PASARELA_HIDDEN=maybe\n"):
        command("systemctl", "start", "mserv1", fails=True)
        assert show("mserv1", "ExecMainStatus") == "78" and show("mserv1", "NRestarts") == "0"
        lines = journal("EVENT_NAME=configuration_refused", "_SYSTEMD_UNIT=mserv1.service")
        assert len(lines) == 1 and "PASARELA_HIDDEN=maybe" in lines[0]["MESSAGE"]


def test_a_tree_that_is_missing_at_the_start_is_waited_for():
    away = Path("/srv/away")
    TREE.rename(away)
    try:
        command("systemctl", "restart", "mserv1")
        pid = show("mserv1", "MainPID")
        until(lambda: len(journal("EVENT_NAME=tree_absent", f"_PID={pid}")) == 1, "the line")
        for _ in range(3):
            assert ask("/listar_archivos")[0] == 503
        assert len(journal("EVENT_NAME=tree_absent", f"_PID={pid}")) == 1
    finally:
        away.rename(TREE)
    assert ask("/listar_archivos")[0] == 200
    until(lambda: journal("EVENT_NAME=tree_back", f"_PID={pid}"), "the return's line")
    assert show("mserv1", "MainPID") == pid


@pytest.mark.parametrize("when", ["swapped", "mounted"])
def test_a_tree_that_vanishes_and_comes_back_is_served_again(when):
    away = Path("/srv/away")
    try:
        TREE.rename(away)
        # Told without being asked for.
        pid = show("mserv2", "MainPID")
        until(lambda: journal("EVENT_NAME=tree_absent", f"_PID={pid}"), "the absence's line")
        assert "not there" in until(lambda: "not there" in (text := show("mserv2", "StatusText")) and text, "the status")
        assert ask("/listar_archivos?encolar=no")[0] == 503
        TREE.mkdir()
        if when == "mounted":
            command("mount", "-t", "tmpfs", "tree", str(TREE))
        (TREE / "new").touch()
        status, _, body = ask("/listar_archivos")
        assert status == 200 and [entry["nombre"] for entry in json.loads(body)["entradas"]] == ["new"]
    finally:
        if when == "mounted":
            command("umount", "--lazy", str(TREE))
        else:
            (TREE / "new").unlink()
        TREE.rmdir()
        away.rename(TREE)


def test_a_user_who_has_no_business_there_is_refused_whatever_the_mode():
    path = Path("/run/pasarela/mserv1.sock")
    path.chmod(0o666)
    code = f"import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect('{path}'); print(s.recv(1))"
    try:
        heard = command("setpriv", "--reuid=stranger", "--regid=nogroup", "--clear-groups", "/usr/bin/python3", "-c", code, fails=True)
        assert heard.stdout.strip() == "b''" or "ConnectionResetError" in heard.stderr, heard
        line = until(lambda: journal("EVENT_NAME=stranger_refused", "_SYSTEMD_UNIT=mserv1.service"), "the line")[-1]
        assert pwd.getpwnam("stranger").pw_uid == int(line["PEER_UID"])
    finally:
        path.chmod(0o660)


@pytest.mark.parametrize("name", ["gateway", "mserv2"])
def test_a_deleted_socket_comes_back(name):
    path = Path(f"/run/pasarela/{name}.sock")
    path.unlink()
    pid = show(name, "MainPID")
    until(path.is_socket, "the socket", seconds=40)
    until(lambda: ask("/salud/listo")[0] == 200, "readiness")
    assert journal("EVENT_NAME=socket_gone", f"_PID={pid}") and not journal("EVENT_NAME=hung", f"_PID={pid}")


def test_a_memory_limit_ends_in_tickets_and_recovery():
    command("systemctl", "set-property", "--runtime", "mserv1", "MemoryMax=3M")
    try:
        # Who started in less is killed at its next start: a crash loop.
        os.kill(int(show("mserv1", "MainPID")), signal.SIGKILL)
        until(lambda: int(show("mserv1", "NRestarts")) > 5, "some restarts", seconds=30)
        # While one that starts has taken the call, it is there and slow: 504, once the deadline is over.
        headers = until(lambda: (a := ask("/listar_archivos", headers={"Prefer": "wait=0"}))[0] == 202 and a[1], "a ticket", seconds=60)
        assert any("killed" in str(line["MESSAGE"]) for line in journal("_PID=1", "UNIT=mserv1.service"))
    finally:
        command("systemctl", "set-property", "--runtime", "mserv1", "MemoryMax=512M")
    until(lambda: ask(headers["Location"])[0] == 303, "the ticket's answer", seconds=60)


def test_a_full_state_disk_refuses_tickets_and_loses_none():
    state = Path("/var/lib/pasarela")
    command("systemctl", "stop", "gateway")
    command("mount", "-t", "tmpfs", "-o", "size=2M", "state", str(state))
    try:
        command("systemctl", "start", "gateway")
        until(lambda: ask("/salud/listo")[0] == 200, "readiness")
        command("systemctl", "stop", "mserv1")
        kept = ask("/listar_archivos", headers={"Prefer": "wait=0"})
        assert kept[0] == 202
        (state / "ballast").write_bytes(b"")
        with open(state / "ballast", "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        # SQLite may have room in pages that it has already.
        refused = until(lambda: (a := ask("/listar_archivos", headers={"Prefer": "wait=0"}))[0] != 202 and a, "a refusal")
        assert refused[0] == 503 and json.loads(refused[2])["codigo"] == "backlog_lleno"
        assert len(journal("EVENT_NAME=backlog_full", f"_PID={show('gateway', 'MainPID')}")) == 1
        (state / "ballast").unlink()
        assert ask("/listar_archivos", headers={"Prefer": "wait=0"})[0] == 202
        command("systemctl", "start", "mserv1")
        until(lambda: ask(kept[1]["Location"])[0] == 303, "the kept ticket's answer")
    finally:
        command("systemctl", "stop", "gateway")
        command("umount", str(state))


def test_a_database_that_is_taken_away_takes_no_tickets_until_it_is_back():
    state, away = Path("/var/lib/pasarela"), Path("/var/lib/away")
    pid = show("gateway", "MainPID")
    command("systemctl", "stop", "mserv1")
    kept = ask("/listar_archivos", headers={"Prefer": "wait=0"})
    assert kept[0] == 202
    state.rename(away)
    try:
        assert ask("/listar_archivos", headers={"Prefer": "wait=0"})[0] == 503
        until(lambda: journal("EVENT_NAME=backlog_broken", f"_PID={pid}"), "the line")
    finally:
        away.rename(state)
    until(lambda: ask("/listar_archivos", headers={"Prefer": "wait=0"})[0] == 202, "a ticket")
    until(lambda: journal("EVENT_NAME=backlog_back", f"_PID={pid}"), "the line")
    command("systemctl", "start", "mserv1")
    until(lambda: ask(kept[1]["Location"])[0] == 303, "the kept ticket's answer")


def test_a_damaged_database_is_a_slow_loop_that_is_told_of_and_clients_hear_at_once():
    database, sound = Path("/var/lib/pasarela/backlog.sqlite"), Path("/var/lib/sound.sqlite")
    command("systemctl", "stop", "gateway")
    database.rename(sound)
    database.write_bytes(b"no database" * 1000)
    shutil.chown(database, "_pasarela-gateway", "_pasarela-gateway")
    try:
        begun = time.monotonic()
        command("systemctl", "start", "--no-block", "gateway")
        until(lambda: int(show("gateway", "NRestarts")) >= 2, "some tries")
        assert time.monotonic() - begun > 2
        asked = time.monotonic()
        status, _, body = ask("/listar_archivos")
        assert status == 503 and json.loads(body)["codigo"] == "servicio_ausente" and time.monotonic() - asked < 5
        assert any("backlog.sqlite" in line["MESSAGE"] for line in journal("EVENT_NAME=failed", "_SYSTEMD_UNIT=gateway.service"))
    finally:
        sound.rename(database)
    until(lambda: ask("/salud/listo")[0] == 200, "recovery by itself")


def test_a_program_that_is_gone_ends_as_failed_and_its_requests_become_tickets():
    program, away = Path("/usr/local/sbin/mserv1"), Path("/usr/local/sbin/mserv1.away")
    command("systemctl", "stop", "mserv1")
    program.rename(away)
    try:
        command("systemctl", "start", "--no-block", "mserv1")
        until(lambda: show("mserv1", "ActiveState") == "failed", "the end of the tries", seconds=90)
        headers = until(lambda: (a := ask("/listar_archivos", headers={"Prefer": "wait=0"}))[0] == 202 and a[1], "a ticket")
        assert any("too quickly" in str(line["MESSAGE"]) for line in journal("_PID=1", "UNIT=mserv1.service"))
    finally:
        away.rename(program)
        command("systemctl", "reset-failed")
        command("systemctl", "start", "mserv1")
    until(lambda: ask(headers["Location"])[0] == 303, "the ticket's answer")


def test_a_socket_that_is_configured_elsewhere_is_said_so():
    with drop_in("mserv2", "[Service]\nEnvironment=PASARELA_MSERV2_SOCKET=/run/pasarela/other.sock\n"):
        command("systemctl", "restart", "--no-block", "mserv2")
        line = until(lambda: journal("EVENT_NAME=failed", "_SYSTEMD_UNIT=mserv2.service"), "the line")[-1]
        assert "/run/pasarela/other.sock: systemd listens at /run/pasarela/mserv2.sock" in line["MESSAGE"]
        command("systemctl", "stop", "mserv2")


def test_a_client_who_sends_nonsense_fills_no_journal():
    pid = show("gateway", "MainPID")
    with Load(targets=("/listar_archivos?ruta=/nada",), clients=4) as answers:
        until(lambda: answers[404] > 2000, "2,000 answers", seconds=60)
    lines = len(journal(f"_PID={pid}", "HTTP_RESPONSE_STATUS_CODE=404"))
    assert 0 < lines < 1000, (lines, answers)


def test_what_counts_from_a_restart_on_is_said_at_a_reload():
    file = Path("/etc/pasarela/pasarela.conf")
    before, pid = file.read_text(), show("gateway", "MainPID")
    try:
        file.write_text(before + "PASARELA_WORKERS=16\nPASARELA_LOG_REQUESTS=yes\n")
        command("systemctl", "reload", "gateway")
        line = until(lambda: [line for line in journal(f"_PID={pid}", "PRIORITY=4") if "restart" in str(line["MESSAGE"])], "the line")[-1]
        assert line["MESSAGE"] == "from a restart on only: PASARELA_WORKERS"
    finally:
        file.write_text(before)
        command("systemctl", "reload", "gateway")


def test_stopped_and_started_in_any_order():
    orders = list(itertools.permutations(SERVICES))
    for stop, start in zip(orders, reversed(orders)):
        for service in stop:
            command("systemctl", "stop", service)
        assert not any(is_active(f"{service}.{kind}") for service in SERVICES for kind in ("service", "socket"))
        for service in start:
            command("systemctl", "start", service)
        until(lambda: ask("/salud/listo")[0] == 200, "readiness")


def pss(service):
    text = Path(f"/proc/{show(service, 'MainPID')}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.M).group(1)) / 1024


def test_figures():
    for service in SERVICES:
        command("systemctl", "restart", service)
        begun, ready = (int(show(service, f"{name}TimestampMonotonic")) for name in ("ExecMainStart", "ActiveEnter"))
        print(f"figure: {service}: start to ready {(ready - begun) / 1000:.0f} ms")
    until(lambda: ask("/salud/listo")[0] == 200, "readiness")
    idle = {service: pss(service) for service in SERVICES}
    before = len(journal("_SYSTEMD_UNIT=gateway.service")) + len(journal("_SYSTEMD_UNIT=mserv1.service"))
    with Load(clients=8) as answers:
        until(lambda: answers.total() > 4000, "4,000 answers", seconds=60)
        for service in SERVICES:
            print(f"figure: {service}: PSS idle {idle[service]:.1f} MB, under load {pss(service):.1f} MB")
    after = len(journal("_SYSTEMD_UNIT=gateway.service")) + len(journal("_SYSTEMD_UNIT=mserv1.service"))
    print(f"figure: journal: {after - before} lines of {answers.total()} answered requests")
    assert set(answers) == {200} and after == before


def test_who_may_not_ask_for_tickets_is_told_who_may():
    asked = command("setpriv", "--reuid=stranger", "--regid=nogroup", "--clear-groups",
                    "env", "-u", "PASARELA_BOOTED", "/usr/local/sbin/gateway", "backlog", "list", fails=True)
    assert asked.returncode == 69 and "root only (sudo)" in asked.stderr


def test_the_manual_and_the_shell_know_it():
    for name in ("gateway", "mserv1", "mserv2", "pasarela"):
        assert name in command("man", "--path", name).stdout
    for name in SERVICES:
        assert name in command("bash", "-c", f". /usr/local/share/bash-completion/completions/{name}; complete -p {name}").stdout


def test_a_package_is_laid_beneath_a_folder_and_nothing_else_is_touched():
    before = Path("/etc/nginx/sites-available/pasarela").read_text()
    arguments = ("DESTDIR=/opt/package", "PREFIX=/usr")
    install("install", *arguments)
    root = Path("/opt/package")
    assert "ExecStart=/usr/sbin/gateway\n" in (root / "usr/lib/systemd/system/gateway.service").read_text()
    assert (root / "usr/sbin/mserv1").stat().st_mode & 0o777 == 0o755
    assert Path("/etc/nginx/sites-available/pasarela").read_text() == before
    install("uninstall", *arguments)
    left = [path for path in root.rglob("*") if path.is_file()]
    assert sorted(path.name for path in left) == ["exempt.conf", "pasarela.conf"], left


def test_tickets_outlive_the_broker_the_daemons_and_the_gateway():
    file, before = Path("/etc/pasarela/pasarela.conf"), Path("/etc/pasarela/pasarela.conf").read_text()
    secret = Path("/etc/credstore/pasarela.rabbitmq.credentials")

    def password(word, verb):
        command("rabbitmqctl", "--quiet", verb, "pasarela", word)
        secret.parent.mkdir(mode=0o700, exist_ok=True)
        secret.touch(mode=0o600)
        secret.write_text(f"pasarela:{word}\n")

    def broker():
        return json.loads(ask("/salud/listo")[2])["partes"].get("rabbitmq", {}).get("estado")

    def events(name):
        return len(journal(f"EVENT_NAME={name}", "_SYSTEMD_UNIT=gateway.service"))

    command("systemctl", "start", "rabbitmq-server")
    try:
        password("first-Word-1", "add_user")
        key = secret.with_name("pasarela.tree.key")
        key.touch(mode=0o600)
        key.write_text(os.urandom(32).hex())
        command("rabbitmqctl", "--quiet", "set_permissions", "pasarela", ".*", ".*", ".*")
        file.write_text(before + "PASARELA_RABBITMQ_URL=amqp://localhost\nPASARELA_TREE=booted\n")
        command("systemctl", "restart", "gateway")
        until(lambda: broker() == "bien", "the broker's use", seconds=30)
        command("systemctl", "stop", "mserv1", "mserv2")
        places = []

        def more(count=10):
            for number in range(count):
                target = "/listar_archivos" if number % 2 else "/buscar_archivos?q=camion"
                status, headers, _ = ask(target, headers={"Prefer": "wait=0"})
                assert status == 202
                places.append(headers["Location"])

        more()
        absences = events("broker_absent")
        command("systemctl", "stop", "rabbitmq-server")
        until(lambda: events("broker_absent") > absences, "the absence's line")
        more()
        os.kill(int(show("gateway", "MainPID")), signal.SIGKILL)
        until(lambda: ask("/salud")[0] == 200, "the gateway")
        more()
        command("systemctl", "start", "rabbitmq-server")
        returns = events("broker_back")
        until(lambda: broker() == "bien", "the broker's return", seconds=30)
        more()
        os.kill(int(show("rabbitmq-server", "MainPID")), signal.SIGKILL)
        more()
        command("systemctl", "start", "mserv1", "mserv2")
        for place in places:
            until(lambda: ask(place)[0] == 303, f"the answer of {place}")
        print(f"figure: {len(places)} tickets over stops and kills of broker, gateway and daemons: all answered")
        # Another password, taken over by a reload.
        until(lambda: command("rabbitmqctl", "--quiet", "await_startup", fails=True).returncode == 0
              or command("systemctl", "start", "rabbitmq-server", fails=True) is None, "the broker", seconds=60)
        password("second-Word-2", "change_password")
        pid, returns = show("gateway", "MainPID"), events("broker_back")
        command("systemctl", "reload", "gateway")
        until(lambda: events("broker_back") > returns, "the broker by its new password", seconds=30)
        assert show("gateway", "MainPID") == pid
        everything = command("journalctl", "--boot", "--output=cat", "--no-pager").stdout
        assert "first-Word-1" not in everything and "second-Word-2" not in everything
    finally:
        file.write_text(before)
        secret.unlink(missing_ok=True)
        command("systemctl", "stop", "rabbitmq-server")
        command("systemctl", "restart", "gateway")


PROBE = r"""
import ctypes, json, os, socket
def tried(what):
    try:
        what()
        return "done"
    except OSError as error:
        return error.__class__.__name__
def write(path):
    with open(path, "w"): pass
def call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) == -1:
        raise OSError(ctypes.get_errno(), "")
def reach(address):
    with socket.create_connection(address, 2): pass
print("PROBE " + json.dumps({
    "uid": os.getuid(), "capabilities": [l.split()[1] for l in open("/proc/self/status") if l.startswith("CapEff")][0],
    "etc": tried(lambda: write("/etc/x")), "run": tried(lambda: write("/run/lock/x")), "shm": tried(lambda: write("/dev/shm/x")),
    "planted": tried(lambda: os.symlink("/etc", "/run/pasarela/credentials.new")),
    "socket": tried(lambda: os.chmod("/run/pasarela/" + os.environ["SERVICE"] + ".sock", 0o777)), "usr": tried(lambda: write("/usr/x")), "tree": tried(lambda: write("/srv/pasarela/x")),
    "listing": tried(lambda: os.listdir("/srv/pasarela")), "shadow": tried(lambda: open("/etc/shadow")),
    "key": tried(lambda: open("/etc/pasarela/tls/key.pem")), "tickets": tried(lambda: os.listdir("/var/lib/pasarela")),
    "mount": tried(lambda: call(165, b"none", b"/tmp", b"tmpfs", 0, 0)), "namespace": tried(lambda: call(272, 0x10000000)),
    "loopback": tried(lambda: reach(("127.0.0.1", 5000))), "outside": tried(lambda: reach(("192.0.2.1", 80))),
    "packet": tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)), "others": len([d for d in os.listdir("/proc") if d.isdigit()]) > 40,
}), flush=True)
"""


def probe(service, program, settings=""):
    """What a program prints that runs as the service does, in its sandbox."""
    Path("/opt/probe.py").write_text(program)
    with drop_in(service, f"[Service]\nExecStartPost=/usr/bin/python3 /opt/probe.py\n{settings}"):
        command("systemctl", "restart", service)
        invocation = show(service, "InvocationID")
        lines = until(lambda: [line["MESSAGE"] for line in journal(f"_SYSTEMD_INVOCATION_ID={invocation}")
                               if str(line["MESSAGE"]).startswith("PROBE ")], "the probe's line")
    return json.loads(lines[-1].removeprefix("PROBE "))


@pytest.fixture
def probed(request, tmp_path):
    """What a program finds that runs as the service does, in its sandbox."""
    service = request.param
    return service, probe(service, PROBE, f"Environment=SERVICE={service}\n")


@pytest.mark.parametrize("probed", SERVICES, indirect=True)
def test_from_inside_nothing_can_be_done_that_need_not(probed):
    service, found = probed
    assert found["uid"] != 0 and found["capabilities"] == "0" * 16
    for what in ("etc", "run", "planted", "shm", "socket", "usr", "tree", "shadow", "key", "mount", "namespace", "outside", "packet"):
        assert found[what] != "done", (service, what)
    is_gateway = service == "gateway"
    assert (found["tickets"] == "done") == is_gateway
    assert (found["listing"] == "done") == (not is_gateway)
    assert (found["loopback"] == "done") == is_gateway
    assert not found["others"]


# IPAddressDeny= needs cgroup version 2 alone: the tests boot a second time for this.
@pytest.mark.skipif(not Path("/sys/fs/cgroup/cgroup.controllers").exists(), reason="no unified cgroup hierarchy")
def test_the_gateway_reaches_only_the_addresses_that_it_may():
    command("ip", "address", "add", "192.0.2.1/32", "dev", "lo")
    program = """
import json, socket
def tried(host):
    try:
        socket.create_connection((host, 5000), 2).close()
        return "done"
    except OSError as error:
        return error.__class__.__name__
try:
    socket.create_server(("127.0.0.1", 5999))
    listens = "done"
except OSError as error:
    listens = error.__class__.__name__
print("PROBE " + json.dumps({host: tried(host) for host in ("127.0.0.1", "192.0.2.1")} | {"listens": listens}), flush=True)
"""
    try:
        assert probe("gateway", program) == {"127.0.0.1": "done", "192.0.2.1": "TimeoutError", "listens": "PermissionError"}
        # As docs/operating.md has it for a broker elsewhere.
        found = probe("gateway", program, "IPAddressAllow=192.0.2.1\n")
        assert found["192.0.2.1"] == "done"
    finally:
        command("ip", "address", "del", "192.0.2.1/32", "dev", "lo")


CLOCK = Path("/etc/pasarela/clock")
LEAPING_CLOCK = f"""[Service]
Environment=LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1
Environment=FAKETIME_TIMESTAMP_FILE={CLOCK} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DISABLE_SHM=1
"""


def test_a_clock_that_jumps_costs_no_ticket_that_still_lives():
    CLOCK.write_text("+0\n")
    try:
        with drop_in("gateway", LEAPING_CLOCK):
            command("systemctl", "restart", "gateway")
            pid = show("gateway", "MainPID")
            until(lambda: ask("/salud/listo")[0] == 200, "readiness")

            def kept():
                status, headers, _ = ask("/listar_archivos", headers={"Prefer": "wait=0"})
                assert status == 202
                return headers["Location"]

            def answered(*places):
                command("systemctl", "start", "mserv1")
                for place in places:
                    until(lambda: ask(place)[0] == 303, f"the answer of {place}")
                assert ask("/listar_archivos")[0] == 200
                command("systemctl", "stop", "mserv1")

            command("systemctl", "stop", "mserv1")
            for jump in ("+2h", "-2h", "-400d"):
                before = kept()
                CLOCK.write_text(f"{jump}\n")
                answered(before, kept())
            # Beyond every ticket's life: those that waited have expired, and that is said.
            CLOCK.write_text("+0\n")
            old = kept()
            CLOCK.write_text("+400d\n")
            until(lambda: ask(old)[0] == 410, "the ticket's end")
            ticket = old.rsplit("/", 1)[1]
            until(lambda: journal("EVENT_NAME=ticket_expired", f"TICKET_ID={ticket}"), "the expiry's line")
            answered(kept())
            assert show("gateway", "MainPID") == pid
    finally:
        CLOCK.unlink()
        command("systemctl", "restart", "gateway")


def test_uninstall_leaves_the_tree_and_the_machine():
    install("uninstall", "PURGE=yes")
    left = command("find", "/etc", "/usr/local", "/run", "/var/lib", "-xdev", "-iname", "*pasarela*", fails=True).stdout
    assert not left.strip(), left
    assert TREE.is_dir() and is_active("nginx")
    assert not re.search("pasarela", Path("/etc/passwd").read_text())
    # As it was, for what comes after this test.
    install("install")
