"""Ours and the peers: started in a temporary folder on free ports, all of them up at the same time."""

import json
import os
import re
import shutil
import ssl
import subprocess
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import load
import machine
import startup
from machine import Server, free_port

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))


def target(folder):
    """A page of a folder beneath the tree, as ours is asked for it."""
    return f"/listar_archivos?ruta=/{quote(folder)}&limite=100"


TARGET = target("flat100")

OURS, AUTOINDEX, RESPONDER = "Pasarela", "nginx autoindex, JSON", "nginx + C responder, libfcgi"
STATIC, EXERCISE = "nginx, static file", "Flask + grpcio, the exercise"


@dataclass
class Peer:
    name: str
    url: callable  # Of a folder beneath the tree.
    # The servers that it consists of: {pid: what the tables call it}.
    members: dict
    names: callable  # The names in an answer's bytes.
    headers: dict | None = None  # What it must be asked with, to answer as it is meant to.
    post: str = ""  # A file: what is posted.
    protocols: tuple = (load.HTTP_1, load.HTTP_2)
    is_asked_for_many: bool = True  # Different folders at the same time, too.
    # All of a folder, for the peers that answer it in one piece or stream it: its URL, and what stands once for each
    # entry in the answer.
    whole: callable = None
    marker: bytes = b""
    size: int = 0  # Bytes of the answer.

    @property
    def options(self):
        """h2load's."""
        return [*(f"-H{name}: {value}" for name, value in (self.headers or {}).items()),
                *([f"-d{self.post}"] if self.post else [])]


class Web:
    """HTTPS to peers that all have the one certificate."""

    def __init__(self, certificate):
        self.certificate = certificate
        self.context = ssl.create_default_context(cafile=certificate)
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.context))

    def get(self, url):
        with self.opener.open(url, timeout=10) as answer:
            return answer.read()

    def ask(self, peer, folder):
        body = None
        if peer.post:
            with open(peer.post, "rb") as file:
                body = file.read()
        request = urllib.request.Request(peer.url(folder), body, peer.headers or {})
        with self.opener.open(request, timeout=10) as answer:
            return answer.read()


@contextmanager
def ours(folder, root, binaries):
    """The services and nginx as `make run` starts them: (peer, base URL, certificate, key)."""
    port, state = free_port(), f"{folder}/state"
    command = [f"{REPOSITORY}/systemd/local/run", f"ROOT={root}", f"PORT={port}", f"STATE={state}", f"BIN={binaries}"]
    with Server(command, f"{folder}/ours.log", {"LD_LIBRARY_PATH": own_libraries(binaries)}) as server:
        url, certificate = f"https://localhost:{port}", f"{state}/certificate.pem"
        server.until(lambda: os.path.exists(certificate))
        server.until(lambda: b"bien" in Web(certificate).get(f"{url}/salud/listo"))
        members = {
            pid: name for pid, name in machine.descendants(server.pid).items()
            if name in ("nginx", "gateway", "mserv1", "mserv2")}
        yield Peer(
            OURS, lambda path: url + target(path), members,
            lambda body: [entry["nombre"] for entry in json.loads(body)["entradas"]],
            whole=lambda path: f"{url}/listar_archivos?ruta=/{quote(path)}&formato=ndjson",
            marker=b"\n"), url, certificate, f"{state}/key.pem"


def own_libraries(binaries):
    """A folder with copies of the services' libraries, but those that nginx has, too.

    Whoever else runs Pasarela on this machine, or anything in Swift, would share their pages: PSS would be too low.
    """
    def libraries(program):
        told = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
        return set(re.findall(r"=> (/\S+)", told))

    folder = f"{binaries}/libraries"
    os.mkdir(folder)
    for path in set.union(*(libraries(f"{binaries}/{name}") for name in startup.SERVICES)) - libraries(shutil.which("nginx")):
        shutil.copy(path, folder)
    return folder


NGINX = """daemon off;
{user}
worker_processes auto;
worker_rlimit_nofile 9216;
pid "{folder}/nginx.pid";
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_timeout 65s;
    keepalive_requests 100000;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path "{folder}/body";
    fastcgi_temp_path "{folder}/fastcgi";
    proxy_temp_path "{folder}/proxy";
    scgi_temp_path "{folder}/scgi";
    uwsgi_temp_path "{folder}/uwsgi";
    ssl_certificate "{certificate}";
    ssl_certificate_key "{key}";
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:2m;
    ssl_session_tickets off;
    upstream responder {{
        server "unix:{folder}/responder.sock" max_fails=0;
        keepalive 64;
        keepalive_requests 100000;
    }}
    server {{
        listen 127.0.0.1:{port} ssl http2;
        charset utf-8;
        default_type application/json;
        location / {{ root "{root}"; autoindex on; autoindex_format json; }}
        location = /static {{ alias "{folder}/body.json"; }}
        location = /responder {{
            fastcgi_pass responder;
            fastcgi_keep_conn on;
            fastcgi_buffer_size 48k;
            fastcgi_buffers 16 32k;
            fastcgi_busy_buffers_size 96k;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param REQUEST_URI $request_uri;
            fastcgi_param SERVER_PROTOCOL $server_protocol;
        }}
    }}
}}
"""


@contextmanager
def nginx_peers(folder, root, certificate, key, body, names, web):
    """autoindex, the C responder and the static file: one nginx, of ours' settings but without an access log."""
    with open(f"{folder}/body.json", "wb") as file:
        file.write(body)
    os.chmod(f"{folder}/body.json", 0o644)
    subprocess.run(
        ["gcc", "-O2", "-Wall", "-o", f"{folder}/responder", f"{HERE}/responder.c", "-lfcgi", "-pthread"],
        check=True)
    port = free_port()
    with open(f"{folder}/nginx.conf", "w") as file:
        file.write(NGINX.format(
            folder=folder, root=root, certificate=certificate, key=key, port=port,
            user="user www-data;" if os.getuid() == 0 else ""))
    # A thread for each client there can be, and for the connections that are kept besides.
    responder = Server(
        [f"{folder}/responder", f"{folder}/responder.sock", f"{folder}/body.json", "512"], f"{folder}/responder.log")
    nginx = Server(["nginx", "-p", folder, "-c", f"{folder}/nginx.conf"], f"{folder}/nginx.log")
    with responder, nginx:
        url = f"https://localhost:{port}"
        nginx.until(lambda: web.get(f"{url}/static"))
        nginx.until(lambda: web.get(f"{url}/responder"))
        pids = {nginx.pid: "nginx", **machine.descendants(nginx.pid)}
        whole = lambda path: f"{url}/{quote(path)}/"
        yield [
            Peer(AUTOINDEX, whole, pids, lambda body: [entry["name"] for entry in json.loads(body)],
                 whole=whole, marker=b'"mtime":'),
            Peer(RESPONDER, lambda _: f"{url}/responder", {**pids, responder.pid: "responder"}, names,
                 is_asked_for_many=False),
            Peer(STATIC, lambda _: f"{url}/static", pids, names, is_asked_for_many=False)]


@contextmanager
def exercise(folder, root, certificate, key, python, web):
    """Flask's own server and a Python gRPC daemon over TCP, as the exercise had them."""
    subprocess.run(
        [python, "-m", "grpc_tools.protoc", f"-I{HERE}", f"--python_out={folder}", f"--grpc_python_out={folder}",
         "exercise.proto"], check=True)
    port, address = free_port(), f"127.0.0.1:{free_port()}"
    environment = {"PYTHONPATH": folder}
    mserv1 = Server([python, f"{HERE}/exercise_mserv1.py", address, root], f"{folder}/mserv1.log", environment)
    flask = Server(
        [python, f"{HERE}/exercise_gateway.py", str(port), address, certificate, key], f"{folder}/flask.log",
        environment)
    with mserv1, flask:
        url = f"https://localhost:{port}"
        flask.until(lambda: web.get(url + TARGET))
        # Each answer ends its connection, and one client that is held in its handshake holds up this whole server: so it
        # can't be asked as load.ManyFolders does.
        yield Peer(
            EXERCISE, lambda path: url + target(path), {flask.pid: "Flask", mserv1.pid: "mserv1.py"},
            lambda body: json.loads(body)["archivos"], protocols=(load.HTTP_1,), is_asked_for_many=False)
