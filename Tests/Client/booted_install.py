"""Installing, upgrading and uninstalling in a booted systemd (systemd/boot), with an operator's own settings in between.

    BIN   where gateway, mserv1 and mserv2 are

Run inside only, in a boot of its own: it installs into the machine that it runs on.
"""

import collections
import json
import re
import shutil
import ssl
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from booted_systemd import (BINARIES, REPOSITORY, SERVICES, TREE, ask, command, drop_in, install, installed,  # noqa: F401
                            is_active, running, show, until)

SETTINGS = Path("/etc/pasarela")
SITE, LINK = Path("/etc/nginx/sites-available/pasarela"), Path("/etc/nginx/sites-enabled/pasarela")
LOG = Path("/var/log/nginx/pasarela.log")
CERTIFICATE = SETTINGS / "tls" / "certificate.pem"


def refused(verb, *settings):
    """(exit status, what it says) of an install or uninstall that has to fail."""
    binaries = [] if verb == "uninstall" or any(word.startswith("BIN=") for word in settings) else [f"BIN={BINARIES}"]
    done = command(str(REPOSITORY / "systemd/install"), verb, *binaries, *settings, fails=True)
    assert done.returncode != 0, done.stdout
    return done.returncode, done.stderr


def reload_nginx():
    command("nginx", "-t")
    command("systemctl", "reload", "nginx")


def answers(port=5000, target="/salud", **keywords):
    """What a new connection to a port gets; None: nobody listens."""
    trust = ssl.create_default_context(cafile=CERTIFICATE)
    try:
        return ask(target, connection=HTTPSConnection("localhost", port, context=trust, timeout=30), **keywords)
    except ConnectionRefusedError:
        return None


def served(port=5000, **keywords):
    """Once nginx has done what its reload was for: the first answer with such a status."""
    status = keywords.pop("status", 200)
    return until(lambda: (answer := answers(port, **keywords)) and answer[0] == status and answer, f"{status} on port {port}")


def upgrade(*settings):
    """Without a process of nginx's that still has the site from before."""
    install("install", *settings)
    command("systemctl", "restart", "nginx")


def laid():
    """All files that an install may lay or change, with their times."""
    places = ("/usr/local", "/etc/nginx", "/etc/systemd/system", "/etc/pasarela")
    return {path: path.lstat().st_mtime_ns for place in places for path in Path(place).rglob("*") if not path.is_dir()}


def lines_of_nginx(file):
    """Gives a function that writes a file which nginx reads; gone at the end."""

    def write(text):
        file.write_text(text)
        reload_nginx()

    yield write
    file.unlink(missing_ok=True)
    reload_nginx()


@pytest.fixture
def site_lines():
    """The operator's, in site.d."""
    yield from lines_of_nginx(SETTINGS / "site.d" / "test.conf")
    served()


@pytest.fixture
def other_site():
    yield from lines_of_nginx(Path("/etc/nginx/conf.d/other.conf"))


def test_an_upgrade_keeps_what_was_chosen():
    install("install", "PORT=5443", "HSTS=max-age=60", "ADDRESS=127.0.0.1")
    assert served(5443)[1]["Strict-Transport-Security"] == "max-age=60"
    upgrade()
    assert served(5443)[1]["Strict-Transport-Security"] == "max-age=60"
    assert "127.0.0.1:5443" in command("ss", "-Hltn", "sport = :5443").stdout
    install("install", "PORT=5000", "HSTS=off", "ADDRESS=any")
    assert "Strict-Transport-Security" not in served()[1]
    until(lambda: answers(5443) is None, "the old port's end")


@pytest.mark.parametrize("line", ["PORT=$(touch /opt/run)", "PORT=5000; touch /opt/run", "touch /opt/run", "PATH=/opt"])
def test_what_was_chosen_is_read_and_not_run(line):
    file, before = SETTINGS / "install.conf", laid()
    text = file.read_text()
    try:
        file.write_text(re.sub("^PORT=.*", line.replace("\\", r"\\"), text, flags=re.M))
        refused("install")
        assert not Path("/opt/run").exists()
    finally:
        file.write_text(text)
    assert {path for path in laid()} == set(before)


PASSWORD = 'auth_basic "Pasarela";\nauth_basic_user_file /etc/pasarela/users;\n'


def test_a_password_in_site_d_is_asked_for_and_outlives_an_upgrade(site_lines):
    users = SETTINGS / "users"
    users.write_text("ana:" + command("openssl", "passwd", "-6", "secreta").stdout)
    shutil.chown(users, group="www-data")
    users.chmod(0o640)
    try:
        site_lines(PASSWORD)
        # A worker from before a reload takes connections for a moment still.
        command("systemctl", "restart", "nginx")
        status, headers, body = served(status=401)
        assert headers["WWW-Authenticate"].startswith("Basic") and headers["X-Request-Id"]
        assert headers["Content-Type"].startswith("application/problem+json")
        assert json.loads(body)["codigo"] == "sin_permiso" and json.loads(body)["status"] == 401
        page = answers(headers={"Accept": "text/html", "Accept-Language": "en"})
        assert page[0] == 401 and "No permission" in page[2].decode() and "nginx" not in page[2].decode()
        known = {"Authorization": "Basic YW5hOnNlY3JldGE="}
        for target in ("/listar_archivos", "/estilo.css", "/problemas/sin_permiso"):
            assert answers(target=target)[0] == 401 and answers(target=target, headers=known)[0] == 200, target
        upgrade()
        assert answers()[0] == 401 and answers(headers=known)[0] == 200
    finally:
        users.unlink()


def test_addresses_that_are_denied_are_told_so_in_the_contracts_form(site_lines):
    site_lines("allow 192.0.2.0/24;\ndeny all;\n")
    status, headers, body = served(status=403)
    assert json.loads(body)["codigo"] == "sin_permiso" and headers["Content-Type"].startswith("application/problem+json")
    assert answers(target="/icono.svg", headers={"Accept": "text/html"})[0] == 403


def statuses(address):
    """{status: how many} of many requests from an address of this machine, one after the other."""
    done = command("curl", "-sk", "--interface", address, "-o", "/dev/null", "-w", "%{http_code}\n",
                   f"https://{address}:5000/salud#[1-1500]")
    return collections.Counter(done.stdout.split())


def test_whom_the_limits_are_not_for_is_the_operators_and_outlives_an_upgrade():
    exempt, address = SETTINGS / "exempt.conf", "192.0.2.9"
    before = exempt.read_text()
    assert not [line for line in before.splitlines() if not line.startswith("#")]
    command("ip", "address", "add", f"{address}/32", "dev", "lo")
    try:
        found = statuses(address)
        assert found["200"] > 400 and set(found) == {"200", "429"}, found
        assert statuses("127.0.0.1") == {"200": 1500}
        exempt.write_text("192.0.2.0/24 1;\n")
        upgrade()
        assert exempt.read_text() == "192.0.2.0/24 1;\n"
        assert statuses(address) == {"200": 1500}
        # One that was taken away is there again, as it is the first time.
        exempt.unlink()
        install("install")
        assert exempt.read_text() == before and exempt.stat().st_mode & 0o777 == 0o644
    finally:
        exempt.write_text(before)
        command("ip", "address", "del", f"{address}/32", "dev", "lo")
        reload_nginx()
    served()


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize(("length", "status"), [(40, "405"), (4_000, "431"), (20_000, "431")])
def test_a_method_counts_like_a_header(version, length, status):
    # All that goes to the gateway has to fit one record of FastCGI.
    done = command("curl", "-sk", version, "-X", "A" * length, "-A", "b" * 18_000, "https://localhost:5000/salud", "-w", "\n%{http_code}")
    body, _, given = done.stdout.rpartition("\n")
    assert given == status and json.loads(body)["status"] == int(status)


OTHER = """server {{
    listen 443 ssl http2{default};
    server_name other.example.org;
    ssl_certificate /etc/pasarela/tls/certificate.pem;
    ssl_certificate_key /etc/pasarela/tls/key.pem;
    location / {{ return 200 other; }}
}}
"""


def by_name(name, target, address="127.0.0.1"):
    done = command("curl", "-sk", "--resolve", f"{name}:443:{address}", "-w", "\n%{http_code}", f"https://{name}{target}", fails=True)
    body, _, status = done.stdout.rpartition("\n")
    return status, body


def test_beside_another_site_under_a_name_of_its_own(site_lines, other_site):
    other_site(OTHER.format(default=" default_server"))
    site_lines("listen 443 ssl http2;\nserver_name files.example.org;\n")
    command("ip", "address", "add", "192.0.2.1/32", "dev", "lo")
    try:
        until(lambda: by_name("files.example.org", "/salud")[0] == "200", "the second name")
        assert by_name("other.example.org", "/salud")[1] == "other"
        # Whoever comes from elsewhere is not taken for this machine.
        assert by_name("files.example.org", "/metricas")[0] == "200"
        assert by_name("files.example.org", "/metricas", "192.0.2.1")[0] == "403"
        assert by_name("files.example.org", "/", "192.0.2.1")[0] == "200"
    finally:
        command("ip", "address", "del", "192.0.2.1/32", "dev", "lo")


def test_port_443_beside_another_site_that_is_no_default(other_site):
    other_site(OTHER.format(default=""))
    try:
        install("install", "PORT=443")
        until(lambda: by_name("files.example.org", "/salud")[0] == "200", "the site")
        assert by_name("other.example.org", "/salud")[1] == "other"
    finally:
        install("install", "PORT=5000")
    served()


def test_an_install_that_nginx_refuses_leaves_the_site_as_it_was(other_site):
    other_site(OTHER.format(default=" default_server"))
    text = SITE.read_text()
    status, said = refused("install", "PORT=443", "HSTS=max-age=1")
    assert "the former one stays" in said and "duplicate default server" in said, said
    assert SITE.read_text() == text and LINK.resolve() == SITE
    reload_nginx()
    assert "Strict-Transport-Security" not in served()[1]
    # Nor is what was refused chosen for the next time.
    upgrade()
    assert "Strict-Transport-Security" not in served()[1]


@pytest.mark.parametrize("wrong", ["PORT=abc", "ADDRESS=here", 'HSTS=a"b', "NGINX_USER=nobody-here", "BIN=/opt/nowhere", "PREFIX=there"])
def test_what_is_wrong_is_refused_before_anything_is_laid(wrong):
    before = laid()
    refused("install", wrong)
    assert laid() == before
    assert served()


def test_a_site_that_was_disabled_stays_so():
    LINK.unlink()
    reload_nginx()
    try:
        upgrade()
        assert not LINK.exists() and answers() is None
    finally:
        LINK.symlink_to(SITE)
        reload_nginx()
    served()


def test_what_an_upgrade_does_not_lay_any_more_goes(tmp_path):
    old = Path("/usr/local/share/pasarela/www/old.css")
    manifest = Path("/usr/local/share/pasarela/manifest")
    old.touch()
    manifest.write_text(manifest.read_text() + f"{old}\n")
    install("install")
    assert not old.exists()
    lines = manifest.read_text().splitlines()
    assert len(lines) == len(set(lines)) and str(old) not in lines


def test_only_root_and_nginx_can_read_log_and_key_and_all_the_certificate():
    served()
    status = LOG.stat()
    assert (status.st_mode & 0o777, LOG.owner(), LOG.group()) == (0o640, "www-data", "adm")
    LOG.chmod(0o644)
    install("install")
    assert LOG.stat().st_mode & 0o777 == 0o640
    for path, readable in ((CERTIFICATE, True), (CERTIFICATE.with_name("key.pem"), False), (LOG, False)):
        done = command("setpriv", "--reuid=stranger", "--regid=nogroup", "--clear-groups", "cat", str(path), fails=True)
        assert (done.returncode == 0) == readable, path


def test_credentials_have_a_folder_of_roots_alone():
    folder = Path("/etc/credstore")
    assert folder.stat().st_mode & 0o777 == 0o700 and folder.owner() == "root"


def presented():
    text = command("bash", "-c", "openssl s_client -connect localhost:5000 </dev/null 2>/dev/null | openssl x509 -noout -serial").stdout
    return text.strip()


def test_a_certificate_of_its_own_is_renewed_and_anothers_is_not():
    assert is_active("pasarela-certificate.timer")
    mark, before = CERTIFICATE.with_name("self-signed"), presented()

    def make(days):
        command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days),
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                "-keyout", str(CERTIFICATE.with_name("key.pem")), "-out", str(CERTIFICATE))
        reload_nginx()

    command("systemctl", "start", "pasarela-certificate.service")
    assert presented() == before, "not yet"
    make(10)
    soon = until(lambda: (now := presented()) != before and now, "the one that ends soon")
    mark.unlink()
    command("systemctl", "start", "pasarela-certificate.service")
    assert presented() == soon, "somebody else's"
    mark.touch()
    command("systemctl", "start", "pasarela-certificate.service")
    until(lambda: presented() != soon, "a new one, by itself")
    assert served()
    assert CERTIFICATE.with_name("key.pem").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def configuration():
    """Writes more lines of the configuration; as it was at the end."""
    file = SETTINGS / "pasarela.conf"
    before = file.read_text()
    yield lambda text: file.write_text(before + text)
    file.write_text(before)
    command("systemctl", "restart", "mserv1", "mserv2")


def names(target="/listar_archivos"):
    status, _, body = ask(target, headers={"Prefer": "wait=5"})
    return [entry["nombre"] for entry in json.loads(body)["entradas"]] if status == 200 else status


@pytest.mark.parametrize("place", ["/data/archive", "/opt/archive", "/home/ana/archive"])
def test_another_tree_by_the_configuration(configuration, place):
    # As docs/operating.md has it: a drop-in only where the tree is beneath /home.
    tree = Path(place)
    tree.mkdir(parents=True)
    (tree / "there").touch()
    configuration(f"PASARELA_ROOT={place}\n")
    home = "[Service]\nProtectHome=read-only\n" if place.startswith("/home") else "[Service]\n"
    try:
        with drop_in("mserv1", home), drop_in("mserv2", home):
            command("systemctl", "restart", "mserv1", "mserv2")
            assert names() == ["there"] and names("/buscar_archivos?q=there") == ["there"]
            # Mounted later, without a restart.
            command("mount", "-t", "tmpfs", "later", place)
            (tree / "later").touch()
            assert until(lambda: names() == ["later"], "what was mounted")
            command("umount", "--lazy", place)
            assert until(lambda: names() == ["there"], "what lies beneath")
    finally:
        shutil.rmtree(Path("/", *tree.parts[1:2]) / (tree.parts[2] if tree.parts[1] in ("home", "opt") else ""))


def test_an_unmounted_disk_is_503_where_a_folder_of_it_is_served(configuration):
    disk, tree = Path("/srv/disk"), Path("/srv/disk/archive")

    def mount():
        command("mount", "-t", "tmpfs", "disk", str(disk))
        tree.mkdir()
        (tree / "there").touch()

    disk.mkdir()
    mount()
    configuration(f"PASARELA_ROOT={tree}\n")
    command("systemctl", "restart", "mserv1", "mserv2")
    try:
        assert names() == ["there"]
        command("umount", "--lazy", str(disk))
        assert until(lambda: names() == 503 and names("/buscar_archivos?q=there") == 503, "503")
        mount()
        assert until(lambda: names() == ["there"], "its return")
        # Not lazily: once the daemons have ended.
        command("systemctl", "stop", "pasarela.target", "gateway", "mserv1", "mserv2")
        assert not any(is_active(service) for service in SERVICES)
        command("umount", str(disk))
        mount()
        command("systemctl", "start", "pasarela.target")
    finally:
        command("umount", "--lazy", str(disk), fails=True)
        disk.rmdir()


def test_a_masked_or_edited_unit_of_ours_is_no_obstacle():
    copy = Path("/etc/systemd/system/mserv2.service")
    copy.symlink_to("/dev/null")
    try:
        install("install")
    finally:
        copy.unlink()
    copy.write_text(Path("/usr/local/lib/systemd/system/mserv2.service").read_text())
    try:
        install("install")
        assert copy.exists()
    finally:
        copy.unlink()
        command("systemctl", "daemon-reload")


# ---- From here on without an installed Pasarela ---------------------------------------------------------------------


@pytest.fixture
def removed():
    install("uninstall", "PURGE=yes")
    yield
    install("uninstall", "PURGE=yes")
    install("install")
    for name in ("Camión.pdf", "informes"):
        assert (TREE / name).exists(), "the tree is never touched"


def test_uninstall_then_purge_leaves_nothing(removed):
    install("install")
    install("uninstall")
    assert (SETTINGS / "pasarela.conf").exists() and LOG.exists()
    assert refused("uninstall")[0] == 66
    install("uninstall", "PURGE=yes")
    install("uninstall", "PURGE=yes")
    left = command("find", "/etc", "/usr/local", "/run", "/var/lib", "/var/log", "-xdev", "-iname", "*pasarela*", fails=True).stdout
    assert not left.strip(), left
    assert not re.search("pasarela", Path("/etc/passwd").read_text()) and is_active("nginx")


def test_a_first_install_that_nginx_refuses_is_not_enabled(removed, other_site):
    other_site("server { listen 5000 default_server; return 200 other; }\n")
    status, said = refused("install")
    assert "not enabled" in said and not SITE.exists() and not LINK.is_symlink()
    reload_nginx()
    install("install", "PORT=5443")
    assert served(5443, target="/estilo.css")


def test_an_install_that_was_cut_short_is_done_again(removed):
    binaries = Path("/opt/bad")
    binaries.mkdir()
    for name in SERVICES:
        shutil.copy(Path(BINARIES) / name, binaries / name)
    (binaries / "mserv2").write_text("#!/bin/sh\nexit 1\n")
    refused("install", f"BIN={binaries}")
    assert Path("/usr/local/sbin/gateway").exists()
    install("install")
    command("systemctl", "start", "pasarela.target")
    served(target="/salud/listo")


FOREIGN = "[Service]\nExecStart=/usr/bin/sleep infinity\n"


@pytest.mark.parametrize("place", ["/etc/systemd/system", "/usr/lib/systemd/system", "/run/systemd/system"])
@pytest.mark.parametrize("name", ["gateway", "mserv1"])
def test_a_unit_of_the_same_name_is_left_alone(removed, place, name):
    unit, extra = Path(place) / f"{name}.service", Path(f"/etc/systemd/system/{name}.service.d/own.conf")
    unit.write_text(FOREIGN)
    extra.parent.mkdir(exist_ok=True)
    extra.write_text("[Service]\nNice=1\n")
    before = laid()
    try:
        command("systemctl", "daemon-reload")
        command("systemctl", "start", f"{name}.service")
        status, said = refused("install")
        assert str(unit) in said and laid() == before, said
        install("uninstall", "PURGE=yes")
        assert is_active(f"{name}.service") and unit.exists() and extra.exists()
    finally:
        command("systemctl", "stop", f"{name}.service")
        unit.unlink()
        shutil.rmtree(extra.parent)
        command("systemctl", "daemon-reload")


def test_a_program_of_the_same_name_is_left_alone(removed):
    program = Path("/usr/local/sbin/gateway")
    program.write_text("#!/bin/sh\n")
    before = laid()
    try:
        assert str(program) in refused("install")[1] and laid() == before
        install("uninstall", "PURGE=yes")
        assert program.exists()
    finally:
        program.unlink()


def test_drop_ins_of_ours_go_with_a_purge(removed):
    install("install")
    extra = Path("/etc/systemd/system/mserv1.service.d/override.conf")
    extra.parent.mkdir(exist_ok=True)
    extra.write_text("[Service]\nNice=1\n")
    install("uninstall")
    assert extra.exists()
    install("uninstall", "PURGE=yes")
    assert not extra.parent.exists()
