"""Peers that list folders as JSON by themselves: Caddy's browse and copyparty's `?ls`."""

import json
import os
from contextlib import contextmanager
from urllib.parse import quote, unquote

import load
import machine
from machine import Server, free_port
from peers import Peer

CADDY, COPYPARTY = "Caddy browse, JSON", "copyparty ?ls"


@contextmanager
def caddy(folder, root, certificate, key, bin_folder, web):
    """Caddy without its admin endpoint and access log. By default it silently lists 10,000 entries and no more."""
    port = free_port()
    server = {
        "listen": [f"127.0.0.1:{port}"], "protocols": ["h1", "h2"], "automatic_https": {"disable": True},
        "tls_connection_policies": [{}],
        "routes": [{"handle": [{"handler": "file_server", "root": root, "browse": {"file_limit": 2_000_000}}]}]}
    _write(f"{folder}/caddy.json", {
        "admin": {"disabled": True}, "logging": {"logs": {"default": {"level": "WARN"}}},
        "apps": {"http": {"servers": {"bench": server}},
                 "tls": {"certificates": {"load_files": [{"certificate": certificate, "key": key}]}}}})
    command = [f"{bin_folder}/caddy", "run", "--config", f"{folder}/caddy.json"]
    with Server(command, f"{folder}/caddy.log", _home(folder)) as process:
        url = lambda path: f"https://localhost:{port}/{quote(path)}/"
        peer = Peer(
            CADDY, url, {process.pid: "caddy"}, lambda body: [entry["name"] for entry in json.loads(body)],
            headers={"Accept": "application/json"}, whole=url, marker=b'"mod_time":')
        process.until(lambda: web.ask(peer, "flat100"))
        yield peer


@contextmanager
def copyparty(folder, root, certificate, key, bin_folder, web):
    """One Python process, as by default; HTTP/1.1 alone. Its index and thumbnails are off."""
    port, both = free_port(), f"{folder}/copyparty.pem"
    with open(both, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        for part in (key, certificate):
            with open(part) as text:
                file.write(text.read())
    command = [f"{bin_folder}/copyparty", "-q", "-i", "127.0.0.1", "-p", str(port), "--https-only", "--cert", both,
               "--no-crt", "--no-thumb", "-nc", "512", "-v", f"{root}::r"]
    with Server(command, f"{folder}/copyparty.log", _home(folder)) as process:
        url = lambda path: f"https://localhost:{port}/{quote(path)}/?ls"
        peer = Peer(
            COPYPARTY, url, {process.pid: "copyparty"},
            lambda body: [unquote(entry["href"]) for entry in json.loads(body)["files"]],
            protocols=(load.HTTP_1,), whole=url, marker=b'"href":')
        process.until(lambda: web.ask(peer, "flat100"))
        peer.members.update(dict.fromkeys(machine.descendants(process.pid), "copyparty"))
        yield peer


def _home(folder):
    """Whatever they keep for themselves goes there."""
    return {"HOME": folder, "XDG_CONFIG_HOME": f"{folder}/config", "XDG_DATA_HOME": f"{folder}/data",
            "PYTHONDONTWRITEBYTECODE": "1"}


def _write(path, document):
    with open(path, "w") as file:
        json.dump(document, file)
