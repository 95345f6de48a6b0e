"""What Pasarela has to answer, worked out naively from the file system.

It knows the contract and nothing of the product: `read` takes a tree into memory by scandir, lstat
and readlink; `resolve`, `listing` and `search` say what a request for it must give. Slow and plain
on purpose: every line can be held against a sentence of the contract.

The services run as the owner of the tree without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, so what
they may read is the owner's bits of a folder: r to list it, x to pass through it.
"""

import functools
import os
import stat
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

SEPARATORS = " \t\n\r"
LINKS_MAX = 40  # As the kernel: more links than this on one way are a loop.


# The tree

@dataclass
class Node:
    """One entry; `children` is None for what is no folder."""

    name: bytes
    path: bytes  # Beneath the root, "a/b"; the root is "".
    kind: str  # As in the answers: archivo, directorio, enlace, otro.
    mode: int
    size: int
    modified: int  # Nanoseconds since 1970.
    target: bytes | None = None
    known: bool = True  # False: in a folder without x, where the name is all there is to see.
    children: dict | None = field(default=None, repr=False)

    @property
    def readable(self):
        return bool(self.mode & 0o400)

    @property
    def enterable(self):
        return bool(self.mode & 0o100)


def read(root):
    """The tree beneath `root` as a Node; folders are opened one in the other, so depth is no limit."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        top = _node(b"", b"", os.fstat(handle))
        _fill(top, handle)
        return top
    finally:
        os.close(handle)


def _node(name, path, status):
    kind = {stat.S_IFREG: "archivo", stat.S_IFDIR: "directorio", stat.S_IFLNK: "enlace"}.get(
        stat.S_IFMT(status.st_mode), "otro")
    return Node(name, path, kind, status.st_mode, status.st_size, status.st_mtime_ns)


def _fill(folder, handle):
    folder.children = {}
    for item in os.scandir(handle):
        name = os.fsencode(item.name)
        path = folder.path + b"/" + name if folder.path else name
        if not folder.enterable:
            kind = ("directorio" if item.is_dir(follow_symlinks=False) else
                    "enlace" if item.is_symlink() else
                    "archivo" if item.is_file(follow_symlinks=False) else "otro")
            inner = {} if kind == "directorio" else None
            folder.children[name] = Node(name, path, kind, 0, 0, 0, b"", False, inner)
            continue
        try:
            child = _node(name, path, os.stat(name, dir_fd=handle, follow_symlinks=False))
            if child.kind == "enlace":
                child.target = os.readlink(name, dir_fd=handle)
            folder.children[name] = child
            if child.kind == "directorio":
                child.children = {}
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
                try:
                    _fill(child, inner)
                finally:
                    os.close(inner)
        except (FileNotFoundError, PermissionError):
            continue  # Gone meanwhile, or not ours to read either (when the tests are not root's).


def resolve(top, path, hidden=False):
    """Where a `ruta` leads: ("folder" | "entry", Node), or the codigo of the problem and None."""
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if b".." in parts or any(len(part) > 255 for part in parts):
        return "no_existe", None
    if not hidden and any(part.startswith(b".") for part in parts):
        return "no_existe", None
    way, todo, links = [top], list(parts), 0
    while todo:
        part, here = todo.pop(0), way[-1]
        if here.children is None:
            return "no_es_directorio", None
        if not here.enterable:
            return "no_existe", None
        if part in (b"", b"."):
            continue
        if part == b"..":
            if len(way) == 1:
                return "no_existe", None
            way.pop()
            continue
        child = here.children.get(part)
        if child is None:
            return "no_existe", None
        if child.kind == "enlace":
            links += 1
            if links > LINKS_MAX or child.target.startswith(b"/"):
                return "no_existe", None
            todo = child.target.split(b"/") + todo
        else:
            way.append(child)
    node = way[-1]
    if node.children is not None:
        return ("folder", node) if node.readable else ("sin_permiso", None)
    return ("no_es_directorio", None) if path.endswith(b"/") else ("entry", node)


def normal(path):
    """A `ruta` as the answers show it: b"/a/b", b"/" for the root."""
    return b"/" + b"/".join(part for part in path.split(b"/") if part not in (b"", b"."))


# Entries as JSON

def is_text(raw):
    try:
        raw.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


def shown(raw):
    return raw.decode("utf-8", "replace")  # U+FFFD for each maximal bad part.


def encoded(raw):
    keep = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
    return "".join(chr(byte) if byte in keep else f"%{byte:02X}" for byte in raw)


def moment(nanoseconds):
    """UTC with three decimals, rounded down."""
    since = datetime(1970, 1, 1, tzinfo=timezone.utc)
    time = since + timedelta(milliseconds=nanoseconds // 1_000_000)
    return time.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def entry(node, path, ranges=None):
    """The JSON object of `node` under `path` (bytes, normalised)."""
    name = path.rsplit(b"/", 1)[1]
    made = {"nombre": shown(name), "ruta": shown(path), "tipo": node.kind}
    if not is_text(path):
        made["ruta_codificada"] = encoded(path)
    if node.known:
        made["modificado"] = moment(node.modified)
        if node.kind == "archivo":
            made["tamano"] = node.size
        if node.kind == "enlace":
            made["destino"] = shown(node.target)
            if not is_text(node.target):
                made["destino_codificada"] = encoded(node.target)
    if ranges is not None:
        made["coincidencias"] = ranges
    return made


# Folding: canonical decomposition and full case folding, with the way back to the source scalars

def folded(text):
    """[scalar, index of its source scalar, whether that is upper case] of NFD(casefold(NFD(text)))."""
    scalars = [(c, i, unicodedata.category(c) in ("Lu", "Lt")) for i, c in enumerate(text)]
    scalars = [(d, i, up) for c, i, up in _decomposed(scalars) for d in c.casefold()]
    return _decomposed(scalars)


def _decomposed(scalars):
    flat = [(d, i, up) for c, i, up in scalars for d in unicodedata.normalize("NFD", c)]
    start = 0
    for end in range(len(flat) + 1):  # Marks in canonical order: a stable sort between starters.
        if end == len(flat) or unicodedata.combining(flat[end][0]) == 0:
            flat[start:end] = sorted(flat[start:end], key=lambda s: unicodedata.combining(s[0]))
            start = end + 1
    return flat


def is_mark(scalar):
    return unicodedata.category(scalar).startswith("M")


# Order

@functools.cache
def natural_key(text):
    """Levels 1 to 4 of the natural order: signs < digits < letters; accents; case; zeros."""
    elements, accents, cases, zeros = [], [], [], []
    leading, digits = [], ""
    for scalar, _, upper in folded(text):
        if is_mark(scalar):
            marks = accents[-1] if accents else leading
            if scalar == "\u0303" and elements and elements[-1] == (2, ord("n"), 0):
                elements[-1] = (2, ord("n"), 1)  # ñ, a letter of its own after n.
            else:
                marks.append(ord(scalar))
            continue
        if scalar in "0123456789":
            digits += scalar
            if len(digits) > 1:
                elements[-1] = (1, int(digits))
                zeros[-1] = len(digits) - len(str(int(digits)))
                continue
            elements.append((1, int(digits)))
            zeros.append(0)
        else:
            digits = ""
            letter = unicodedata.category(scalar).startswith("L")
            elements.append((2, ord(scalar), 0) if letter else (0, ord(scalar)))
        accents.append([])
        cases.append(upper)
    return elements, [leading] + accents, cases, zeros


def sorted_nodes(nodes, order="natural", folders_first=False):
    """`nodes` in an order of the API, "-" in front turns it round; ties are never turned."""
    reverse, by = order.startswith("-"), order.lstrip("-")
    nodes = sorted(nodes, key=lambda node: (node.name, node.path))
    if by == "nombre":
        nodes.sort(key=lambda node: node.name, reverse=reverse)
    else:
        bad = [node for node in nodes if not is_text(node.name)]
        good = [node for node in nodes if is_text(node.name)]
        nodes = sorted(good, key=lambda n: natural_key(shown(n.name)), reverse=reverse) + bad
    if folders_first:
        nodes.sort(key=lambda node: node.kind != "directorio")
    return nodes


# Queries

class BadQuery(Exception):
    def __init__(self, column=None):
        self.column = column  # From 1, in scalars; None where the whole query is at fault.


def parsed(query):
    """[(excluded, literal, text)] of a `q`; raises BadQuery."""
    if len(query.encode("utf-8", "surrogatepass")) > 1024 or "\0" in query:
        raise BadQuery()
    terms, at = [], 0
    while at < len(query):
        if query[at] in SEPARATORS:
            at += 1
            continue
        excluded = query[at] == "-"
        at += excluded
        if at == len(query) or query[at] in SEPARATORS:
            raise BadQuery(at)  # A lone minus, which is the scalar before.
        start = at
        if query[at] == '"':
            end = query.find('"', at + 1)
            if end in (-1, at + 1):
                raise BadQuery(at + 1)
            at = end + 1
            if at < len(query) and query[at] not in SEPARATORS:
                raise BadQuery(at + 1)
            terms.append((excluded, True, query[start + 1:end]))
            continue
        while at < len(query) and query[at] not in SEPARATORS:
            if query[at] in '"|':
                raise BadQuery(at + 1)
            if query[at] == ":":
                raise BadQuery(start + 1)
            at += 1
        text = query[start:at]
        terms.append((excluded, "*" not in text and "?" not in text, text))
    if not terms:
        raise BadQuery()
    return terms


@functools.cache
def clusters(text):
    """[base, marks, start, end] for each folded base with the marks after it, in source scalars."""
    made = []
    for scalar, index, _ in folded(text):
        if is_mark(scalar) and made:
            made[-1][1].append(scalar)
            made[-1][2:] = [min(made[-1][2], index), max(made[-1][3], index + 1)]
        else:
            made.append([scalar, [], index, index + 1])
    return made


def same(asked, given):
    return asked[0] == given[0] and (not asked[1] or asked[1] == given[1])


def places(part, name):
    """Where `part` stands in `name` (both clusters): every place, overlapping ones too."""
    return [i for i in range(len(name) - len(part) + 1)
            if all(same(p, name[i + k]) for k, p in enumerate(part))]


def whole(pattern, name):
    """Whether a word with * and ? is the whole name: reached[i] = the first i clusters are read."""
    reached = [True] + [False] * len(name)
    for asked in pattern:
        if asked[0] == "*":
            reached = [any(reached[:i + 1]) for i in range(len(name) + 1)]
        else:
            reached = [False] + [reached[i] and (asked[0] == "?" or same(asked, given))
                                 for i, given in enumerate(name)]
    return reached[-1]


def matched(terms, text):
    """None, or the ranges of `text` that the terms mark."""
    name, ranges = clusters(text), []
    for excluded, literal, word in terms:
        pattern = clusters(word)
        if (bool(places(pattern, name)) if literal else whole(pattern, name)) == excluded:
            return None
        if excluded:
            continue
        parts = [[]]
        for cluster in pattern:
            if not literal and cluster[0] in "*?":
                parts.append([])
            else:
                parts[-1].append(cluster)
        for part in filter(None, parts):
            for at in places(part, name):
                ranges.append([name[at][2], name[at + len(part) - 1][3]])
    merged = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged


# Answers

@dataclass
class Expected:
    """What a request gives: its entries in order, and what can't be known of them."""

    entries: list
    nodes: list
    complete: bool = True
    notices: set = field(default_factory=set)  # (codigo, ruta) that must be there.
    vague: set = field(default_factory=set)  # Folders without x: what is told of them is free.


def listing(top, path, order="natural", folders_first=False, kinds=None, hidden=False):
    """One folder, or a file's own entry; `path` must resolve."""
    outcome, node = resolve(top, path, hidden)
    shown_path = normal(path)
    if outcome == "entry":
        keep = kinds is None or node.kind in kinds
        return Expected([entry(node, shown_path)] if keep else [], [node] if keep else [])
    assert outcome == "folder", (outcome, path)
    nodes = [child for child in node.children.values()
             if (kinds is None or child.kind in kinds)
             and (hidden or not child.name.startswith(b"."))]
    nodes = sorted_nodes(nodes, order, folders_first)
    made = [entry(child, beneath(shown_path, child.name)) for child in nodes]
    # Names and kinds can be told without entering, sizes and times can't.
    vague = set() if node.enterable or not nodes else {shown(shown_path)}
    return Expected(made, nodes, not vague, set(), vague)


def search(top, path, query=None, order="natural", folders_first=False, kinds=None, hidden=False):
    """All hits beneath a folder; `path` must resolve to one. Links are never gone into."""
    outcome, folder = resolve(top, path, hidden)
    assert outcome == "folder", (outcome, path)
    terms = None if query is None else parsed(query)
    base, hits, answer = normal(path), {}, Expected([], [])
    todo = [folder]
    while todo:
        here = todo.pop()
        told = beneath(base, here.path[len(folder.path):].lstrip(b"/"))
        if not here.readable:
            answer.notices.add(("sin_permiso", shown(told)))
            answer.complete = False
            continue
        for child in here.children.values():
            if child.name.startswith(b".") and not hidden:
                continue
            if child.kind == "directorio" and here.enterable:
                todo.append(child)
            ranges = [] if terms is None else matched(terms, shown(child.name))
            is_hit = ranges is not None and (kinds is None or child.kind in kinds)
            if not here.enterable and (is_hit or child.kind == "directorio"):
                answer.vague.add(shown(told))
                answer.complete = False
            if is_hit:
                hits[child.path] = None if terms is None else ranges
                answer.nodes.append(child)
    answer.nodes = sorted_nodes(answer.nodes, order, folders_first)
    for node in answer.nodes:
        told = beneath(base, node.path[len(folder.path):].lstrip(b"/"))
        answer.entries.append(entry(node, told, hits[node.path]))
    return answer


def beneath(path, rest):
    return path if not rest else (b"" if path == b"/" else path) + b"/" + rest
