"""A search over HTTPS beside `find` and `fd` on the same tree: each as its user runs it. Informative, no goal."""

import http.client
import json
import os
import shutil
import statistics
import subprocess
import time
import urllib.parse

# What is searched for: in a name, whatever the case.
QUERIES = (("rare", "00042"), ("usual", "camión"), ("none", "qzxwvkjy"))


def measure(base, context, tree, route, rounds):
    """[(query, tool, median ms, hits)]; the tools in turn, round by round. `route` is the tree's path as served."""
    rows = []
    parts = urllib.parse.urlsplit(base)
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=30, context=context)

    def ours(text):
        query = urllib.parse.urlencode({"q": text, "ruta": route, "limite": 1000})
        connection.request("GET", f"/buscar_archivos?{query}")
        answer = connection.getresponse()
        document = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"search: {answer.status}")
        return len(document["entradas"])

    def lines(*command):
        done = subprocess.run(command, stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C.UTF-8"}, check=False)
        return done.stdout.count(b"\n")

    tools = {"ours, over HTTPS": ours}
    if shutil.which("find"):
        tools["find -iname"] = lambda text: lines("find", tree, "-mindepth", "1", "-iname", f"*{text}*")
    if fd := shutil.which("fdfind") or shutil.which("fd"):
        tools["fd"] = lambda text: lines(fd, "-u", "-i", "-F", "--color=never", text, tree)
    for title, text in QUERIES:
        times, hits = {tool: [] for tool in tools}, {}
        for turn in range(rounds + 1):
            for tool, run in tools.items():
                start = time.perf_counter()
                hits[tool] = run(text)
                if turn > 0:
                    times[tool].append((time.perf_counter() - start) * 1000)
        rows += [(f"{title}: `{text}`", tool, statistics.median(times[tool]), hits[tool]) for tool in tools]
    connection.close()
    return rows
