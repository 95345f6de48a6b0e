"""Web servers other than ours, each with the very configuration that docs/web-servers.md shows, so that it stays true."""

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass

from stack import REPOSITORY, Part, free_port, until

PAGE = REPOSITORY / "docs" / "web-servers.md"


def shown(language):
    """The block of the page in this language; there is one."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) == 1, f"{len(blocks)} blocks of {language} in {PAGE}"
    return blocks[0]


def filled_in(text, values):
    """The text with the values of a test in place of those that it shows; each must be there."""
    for value, ours in values.items():
        assert value in text, f"{value} is not in\n{text}"
        text = text.replace(value, ours)
    return text


@dataclass(frozen=True)
class WebServer:
    """What the tests know of a server; `keeps`, `absent` and `away` are what the page's table says."""

    name: str
    keeps: bool  # The connections to the gateway.
    absent: int  # The status of an answer while the gateway is not there.
    away: float  # Seconds that it may take to ask the gateway again after that.
    values: dict  # What the page shows for what a test has of its own: port, socket, certificate, folder.


# On loopback alone: a test is for this machine.
VALUES = {"/run/pasarela/gateway.sock": "{socket}", "/usr/local/share/pasarela/www": "{www}"}
PEM = {"/etc/pasarela/tls/certificate.pem": "{certificate}", "/etc/pasarela/tls/key.pem": "{key}"}
SERVERS = [
    WebServer("apache", True, 503, 0,
              VALUES | PEM | {"Listen 5000": "Listen 127.0.0.1:{port}", "*:5000": "127.0.0.1:{port}"}),
    WebServer("lighttpd", False, 503, 2, VALUES | PEM | {'":5000"': '"127.0.0.1:{port}"'}),
    WebServer("caddy", False, 502, 0, VALUES | PEM | {"https://:5000 {{": "https://:{port} {{\n\tbind 127.0.0.1"}),
    WebServer("haproxy", True, 503, 0,
              VALUES | {"/etc/pasarela/tls/haproxy.pem": "{both}", "bind :5000": "bind 127.0.0.1:{port}"}),
]


class Running:
    """A web server in front of a stack's gateway, on a port of its own."""

    def __init__(self, kind, stack):
        self.kind, self.stack, self.port, self.client = kind, stack, free_port(), None
        self.place, self.url = f"{stack.place}/{kind.name}", f"https://localhost:{self.port}"
        os.makedirs(self.place)
        if os.getuid() == 0:
            shutil.chown(self.place, "www-data", "www-data")
        told = {"port": self.port, "socket": f"{stack.runtime}/gateway.sock", "www": stack.www(),
                "certificate": stack.certificate, "key": stack.key, "both": f"{self.place}/both.pem"}
        with open(told["both"], "wb") as both:
            for part in (stack.certificate, stack.key):
                with open(part, "rb") as file:
                    both.write(file.read())
        text = filled_in(shown(kind.name), {value.format(): ours.format(**told) for value, ours in kind.values.items()})
        command = getattr(self, "_" + kind.name)(text)
        # Caddy keeps its files where these say.
        home = {"HOME": self.place, "XDG_DATA_HOME": self.place, "XDG_CONFIG_HOME": self.place}
        self.part = Part(kind.name, command, f"{self.place}/log", stack.environment | home)

    def _file(self, name, text):
        path = f"{self.place}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    # What stands around the shown text: Debian's own configuration, as little of it as there must be.

    def _apache(self, text):
        modules = "/usr/lib/apache2/modules"
        loaded = ["mpm_event", "authz_core", "ssl", "socache_shmcb", "http2", "alias", "mime", "proxy", "proxy_fcgi"]
        lines = [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in loaded]
        lines += [f"ServerRoot {self.place}", "ServerName localhost", f"PidFile {self.place}/pid",
                  f"DefaultRuntimeDir {self.place}", f"Mutex file:{self.place}", "ErrorLog /dev/stderr",
                  "ServerTokens Prod", "TypesConfig /dev/null", "AddType text/css .css", "AddType image/svg+xml .svg",
                  "Include shown.conf"]
        if os.getuid() == 0:
            lines.append("User www-data\nGroup www-data")
        self._file("shown.conf", text)
        return ["apache2", "-D", "FOREGROUND", "-f", self._file("apache2.conf", "\n".join(lines) + "\n")]

    def _lighttpd(self, text):
        lines = [f'server.port = {free_port()}', 'server.bind = "127.0.0.1"', f'server.document-root = "{self.place}"',
                 f'server.upload-dirs = ( "{self.place}" )',
                 'server.feature-flags += ( "server.h2proto" => "enable" )', 'server.modules = ( "mod_alias" )',
                 'server.http-parseopts = ( "url-ctrls-reject" => "enable", "url-path-dotseg-remove" => "enable" )',
                 f'include "{self._file("shown.conf", text)}"']
        if os.getuid() == 0:
            lines.append('server.username = "www-data"\nserver.groupname = "www-data"')
        return ["lighttpd", "-D", "-f", self._file("lighttpd.conf", "\n".join(lines) + "\n")]

    def _caddy(self, text):
        settings = "{\n\tadmin off\n\tpersist_config off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"
        program = os.path.join(os.path.dirname(sys.executable), "caddy")
        return [program, "run", "--adapter", "caddyfile", "--config", self._file("Caddyfile", settings + text)]

    def _haproxy(self, text):
        return ["haproxy", "-db", "-f", self._file("haproxy.cfg", text)]

    @property
    def version(self):
        option = {"apache": "-v", "lighttpd": "-v", "caddy": "version", "haproxy": "-v"}[self.kind.name]
        told = subprocess.run([self.part.command[0], option], env=self.part.environment, capture_output=True, text=True,
                              check=True).stdout
        return re.search(r"\d+\.\d+\.\d+", told)[0]

    def start(self, client):
        self.client = client
        self.part.start()

        def answers():
            assert self.part.runs, f"{self.kind.name} has ended: {self.part.said()[-3000:]}"
            try:
                return client.ask("/salud", checked=False).status == 200
            except OSError:
                return False

        until(answers, f"{self.kind.name} to answer")
        return self

    def stop(self):
        """At once: whether it waits for connections that are kept is not what the tests are about."""
        self.part.end(signal.SIGKILL)
