"""Ours and the peers: started in a temporary folder on free ports, all of them up at the same time."""

import json
import os
import ssl
import subprocess
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass

import machine
from machine import Server, free_port

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
TARGET = "/listar_archivos?ruta=/flat100&limite=100"


@dataclass
class Peer:
    name: str
    url: str
    # The servers that it consists of: {pid: what the tables call it}.
    members: dict
    body: bytes = b""


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


@contextmanager
def ours(folder, root, binaries):
    """The services and nginx as `make run` starts them: (base URL, certificate, key, {pid: name})."""
    port, state = free_port(), f"{folder}/state"
    command = [f"{REPOSITORY}/systemd/local/run", f"ROOT={root}", f"PORT={port}", f"STATE={state}", f"BIN={binaries}"]
    with Server(command, f"{folder}/ours.log") as server:
        url, certificate = f"https://localhost:{port}", f"{state}/certificate.pem"
        server.until(lambda: os.path.exists(certificate))
        server.until(lambda: b"bien" in Web(certificate).get(f"{url}/salud/listo"))
        members = {
            pid: name for pid, name in machine.descendants(server.pid).items()
            if name in ("nginx", "gateway", "mserv1", "mserv2")}
        yield url, certificate, f"{state}/key.pem", members


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
        location /flat100/ {{ root "{root}"; autoindex on; autoindex_format json; }}
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
def nginx_peers(folder, root, certificate, key, body, web):
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
    responder = Server(
        [f"{folder}/responder", f"{folder}/responder.sock", f"{folder}/body.json", "256"], f"{folder}/responder.log")
    nginx = Server(["nginx", "-p", folder, "-c", f"{folder}/nginx.conf"], f"{folder}/nginx.log")
    with responder, nginx:
        url = f"https://localhost:{port}"
        nginx.until(lambda: web.get(f"{url}/static"))
        nginx.until(lambda: web.get(f"{url}/responder"))
        pids = {nginx.pid: "nginx", **machine.descendants(nginx.pid)}
        yield [
            Peer("nginx autoindex, JSON", f"{url}/flat100/", pids),
            Peer("nginx + C responder, libfcgi", f"{url}/responder", {**pids, responder.pid: "responder"}),
            Peer("nginx, static file", f"{url}/static", pids)]


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
        url = f"https://localhost:{port}{TARGET}"
        flask.until(lambda: web.get(url))
        yield Peer("Flask + grpcio, the exercise", url, {flask.pid: "Flask", mserv1.pid: "mserv1.py"})


def names_of(body):
    """The names in an answer of ours, nginx's autoindex or the exercise; sorted, as a test that all do the same."""
    document = json.loads(body)
    if isinstance(document, list):
        return sorted(entry["name"] for entry in document)
    if "archivos" in document:
        return sorted(document["archivos"])
    return sorted(entry["nombre"] for entry in document["entradas"])
