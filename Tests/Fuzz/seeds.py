"""seeds.py FOLDER: requests as web servers send them, for libFuzzer to begin with; the first byte says how each is cut."""

import sys
from pathlib import Path

import fastcgi_client as fastcgi

GOOD = fastcgi.parameters("/listar_archivos?ruta=/a%20b", headers=[("Accept", "text/html"), ("If-None-Match", '"x"')])
SEEDS = {
    "kept": fastcgi.request(GOOD, keep=True),
    "not-kept": fastcgi.request(GOOD, 65_535),
    "padded": fastcgi.request(GOOD, cut=9, padding=7),
    "body": fastcgi.request(GOOD, body=b"x" * 300, cut=100),
    "wide": fastcgi.begin() + fastcgi.stream(4, 1, fastcgi.pairs(GOOD, wide=True)) + fastcgi.record(5),
    "assembled": fastcgi.request([("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", "/a"), ("PATH_INFO", "/b"),
                                  ("QUERY_STRING", "c")]),
    "two": fastcgi.request(GOOD, keep=True) * 2,
    "empty": fastcgi.request([]),
    "abort": fastcgi.begin() + fastcgi.record(fastcgi.ABORT),
    "questions": fastcgi.record(fastcgi.GET_VALUES, 0, fastcgi.pairs([("FCGI_MAX_CONNS", "")])),
    "huge": fastcgi.begin() + fastcgi.stream(4, 1, fastcgi.size(2**31 - 1) * 2),
}

for number, (name, data) in enumerate(SEEDS.items()):
    (Path(sys.argv[1]) / name).write_bytes(bytes([number * 23 % 256]) + data)
