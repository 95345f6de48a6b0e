"""Every folder of the odd tree, listed and searched in many ways, against the oracle."""

import os
import random
import re
import unicodedata

import pytest

import odd_tree
import oracle
from client import check_list, check_problem, target

ORDERS = ["natural", "-natural", "nombre", "-nombre"]
KINDS = ["archivo", "directorio", "enlace", "otro"]


def folders(node):
    """All paths of folders, as bytes with a slash in front."""
    yield b"/" + node.path
    for child in node.children.values():
        if child.children is not None:
            yield from folders(child)


def paths(node):
    for child in node.children.values():
        yield b"/" + child.path, child
        if child.children is not None:
            yield from paths(child)


def collected(client, asked):
    """(all entries, the pages' documents)."""
    documents = [document for _, document in client.pages(asked)]
    return [entry for document in documents for entry in document["entradas"]], documents


def compare(client, path, expected, ruta, limit, **given):
    """All pages of a request must be `expected`, in pages of `limit`."""
    entries, pages = collected(client, target(path, ruta=ruta, limite=limit, **given))
    search = path == "/buscar_archivos"
    for page in pages:
        check_list(page, expected, ruta=oracle.normal(ruta), search=search)
        if given.get("total") == "no":
            assert "total" not in page
        elif not expected.complete:  # What it could not see it can't count: a lower bound.
            assert page["total"]["valor"] == len(expected.entries)
        elif given.get("total") == "exacto" or page["total"]["exacto"]:
            assert page["total"] == {"valor": len(expected.entries), "exacto": True}
        else:
            assert page["total"]["valor"] <= len(expected.entries)
    assert [len(page["entradas"]) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert pages[-1]["entradas"] or len(pages) == 1, "an empty last page"
    if entries != expected.entries:
        for got, wanted in zip(entries, expected.entries):
            assert got == wanted
        assert len(entries) == len(expected.entries)


def choices(chance):
    """Parameters at random, and the same as the oracle takes them."""
    order = chance.choice(ORDERS)
    first = chance.random() < 0.3
    kinds = chance.sample(KINDS, chance.randrange(1, 4)) if chance.random() < 0.3 else None
    hidden = chance.random() < 0.5
    given, asked = {"orden": order}, dict(order=order, folders_first=first, kinds=kinds, hidden=hidden)
    if first or chance.random() < 0.1:
        given["directorios_primero"] = "true" if first else "false"
    if kinds:
        given["tipo"] = ",".join(kinds)
    if hidden:
        given["ocultos"] = "true"
    if chance.random() < 0.5:
        given["total"] = chance.choice(["exacto", "no", "auto"])
    return given, asked


@pytest.mark.parametrize("order", ORDERS)
def test_every_folder_whole(client, tree, order):
    count = 0
    for ruta in folders(tree):
        if oracle.resolve(tree, ruta, True)[0] != "folder":
            continue
        hidden = b"/." in ruta or count % 2 == 0
        expected = oracle.listing(tree, ruta, order, hidden=hidden)
        compare(client, "/listar_archivos", expected, ruta, 1000, orden=order,
                ocultos="true" if hidden else "false")
        count += 1
    assert count > 150


@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
def test_every_folder_paged(client, tree, chance, limit):
    for ruta in folders(tree):
        given, asked = choices(chance)
        if oracle.resolve(tree, ruta, asked["hidden"])[0] != "folder":
            continue
        expected = oracle.listing(tree, ruta, **asked)
        if limit == 1 and len(expected.entries) > 60:
            continue
        compare(client, "/listar_archivos", expected, ruta, limit, **given)


@pytest.mark.parametrize("ruta", ["/orden", "/nombres", "/mezcla", "/gemelos ñ", "/"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("first", ["true", "false"])
def test_the_odd_folders_paged_in_every_order(client, tree, ruta, order, first):
    expected = oracle.listing(tree, ruta.encode(), order, first == "true")
    for limit in (2, 50):
        compare(client, "/listar_archivos", expected, ruta.encode(), limit, orden=order,
                directorios_primero=first)


@pytest.mark.parametrize("number", range(6))
def test_thousands_of_made_names_in_order(client, root, folder, number, seed):
    """Names made at random, in number: the order, the JSON and the paging of each."""
    path, ruta = folder
    chance = random.Random(f"names {seed} {number}")
    made = {odd_tree.random_name(chance) for _ in range(700)}
    with odd_tree.Folder(os.open(path, 0)) as inside:
        for name in made:
            inside.file(name) if chance.random() < 0.8 else inside.folder(name).__exit__()
    tree = oracle.read(root)
    for order in ORDERS:
        expected = oracle.listing(tree, ruta, order, hidden=True)
        compare(client, "/listar_archivos", expected, ruta, 333, orden=order, ocultos="true")


def test_where_each_path_leads(client, tree):
    """Every entry and link of the tree as a `ruta`: plain, with a slash, and with more behind it."""
    wanted = {"no_existe": 404, "sin_permiso": 403, "no_es_directorio": 400}
    count = dict.fromkeys([200, 400, 403, 404], 0)
    for path, node in paths(tree):
        if not node.known:
            continue
        for ruta in (path, path + b"/", path + b"/x", path + b"/uno"):
            if len(ruta) > 4095 or len(ruta.rsplit(b"/", 1)[1]) > 255:
                continue
            hidden = b"/." in ruta
            outcome, _ = oracle.resolve(tree, ruta, hidden)
            answer = client.get("/listar_archivos", ruta=ruta, limite=1000,
                                ocultos="true" if hidden else "false")
            status = wanted.get(outcome, 200)
            count[status] += 1
            if status != 200:
                check_problem(answer, status, outcome, "ruta")
                continue
            assert answer.status == 200, (ruta, answer.body)
            expected = oracle.listing(tree, ruta, hidden=hidden)
            check_list(answer.json(), expected, ruta=oracle.normal(ruta))
            assert answer.json()["entradas"] == expected.entries
    assert min(count.values()) > 5, count


def test_each_entry_leads_to_itself(client, tree):
    """`ruta_codificada`, else `ruta`, of each entry, put into a query, gives that entry or folder."""
    count = 0
    for ruta in folders(tree):
        if b"/." in ruta or oracle.resolve(tree, ruta)[0] != "folder":
            continue
        for entry in oracle.listing(tree, ruta).entries:
            if entry["tipo"] == "enlace" or "modificado" not in entry:
                continue
            name = entry.get("ruta_codificada") or oracle.encoded(entry["ruta"].encode())
            answer = client.ask("/listar_archivos?limite=1&ruta=" + name)
            if entry["tipo"] == "directorio":
                assert answer.status in (200, 403)
            else:
                assert answer.json()["entradas"] == [entry]
            count += 1
    assert count > 500


# Search

def made_query(chance, names):
    """A query from the names that are there, bent at random; may be one that can't be read."""
    terms = []
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3])):
        name = chance.choice(names)
        start = chance.randrange(len(name))
        word = name[start:start + chance.choice([1, 1, 2, 2, 3, 4, 8, 40])]
        if chance.random() < 0.4:
            word = chance.choice([str.upper, str.lower, str.title, str.casefold])(word)
        if chance.random() < 0.25:
            word = "".join(c for c in unicodedata.normalize("NFD", word)
                           if not unicodedata.category(c).startswith("M"))
        if chance.random() < 0.2:
            word = unicodedata.normalize(chance.choice(["NFC", "NFD"]), word)
        if chance.random() < 0.1:
            at = chance.randrange(len(word) + 1)
            word = word[:at] + chance.choice(odd_tree.MARKS) + word[at:]
        if chance.random() < 0.3:
            word = chance.choice(["*{}", "{}*", "*{}*", "?{}*", "*{}?", "{}"]).format(word)
            at = chance.randrange(len(word) + 1)
            word = word[:at] + chance.choice("*?") + word[at + chance.randrange(2):]
        if chance.random() < 0.25:
            word = '"' + word + '"'
        if chance.random() < 0.2:
            word = "-" + word
        if chance.random() < 0.06:
            at = chance.randrange(len(word) + 1)
            word = chance.choice([word[:at] + '"' + word[at:], word[:at] + "|" + word[at:], '""', "-",
                                  "ext:" + word, "-", '"a"b', "nada:"])
        terms.append(word)
    return chance.choice([" ", " ", "  ", "\t", "\n", " \r "]).join(terms)


def is_clear(query):
    """Leaves out what the contract does not settle: keys that are no words, marks on signs."""
    on_a_sign = any(unicodedata.category(mark).startswith("M") and (at == 0 or query[at - 1] in '*?"|: \t\n\r-')
                    for at, mark in enumerate(query))
    return not (on_a_sign or re.search(r'(^|[ \t\n\r])--', query)
                or re.search(r'(^|[ \t\n\r])-?[^ \t\n\r"]*[^a-z \t\n\r"-][^ \t\n\r"]*:', query)
                or re.search(r'(^|[ \t\n\r])-?:', query))


@pytest.mark.parametrize("number", range(10))
def test_queries_at_random(client, tree, seed, number):
    chance = random.Random(f"queries {seed} {number}")
    names = sorted({oracle.shown(path.rsplit(b"/", 1)[1]) for path, _ in paths(tree)})
    places = [p for p in folders(tree) if oracle.resolve(tree, p, True)[0] == "folder"]
    found = refused = 0
    # Some of them must be such as are refused, too.
    while found < 60 or not refused:
        query = made_query(chance, names)
        if not is_clear(query):
            continue
        given, asked = choices(chance)
        ruta = chance.choice([b"/", b"/", b"/", chance.choice(places)])
        if oracle.resolve(tree, ruta, asked["hidden"])[0] != "folder":
            continue
        try:
            expected = oracle.search(tree, ruta, query, **asked)
        except oracle.BadQuery as error:
            answer = client.get("/buscar_archivos", q=query, ruta=ruta)
            check_problem(answer, 400, "valor_invalido", "q", error.column)
            refused += 1
            continue
        hits = len(expected.entries)
        limit = chance.choice([1000, 100, 7] if hits > 30 else [1000, 3, 1])
        if hits < 8 * limit:
            compare(client, "/buscar_archivos", expected, ruta, limit, q=query, **given)
            found += 1


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_search_without_q_gives_everything_that_passes(client, tree, order, kind):
    for ruta in (b"/", b"/permisos", b"/nombres", "/gemelos ñ".encode()):
        expected = oracle.search(tree, ruta, None, order, kinds=[kind], hidden=True)
        compare(client, "/buscar_archivos", expected, ruta, 250, orden=order, tipo=kind,
                ocultos="true", total="exacto")


@pytest.mark.parametrize("hidden", ["true", "false"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_search_through_the_whole_tree(client, tree, hidden, order):
    for query in ("*", "-zzz", "a", "o -n", "? *", "1"):
        expected = oracle.search(tree, b"/", query, order, hidden=hidden == "true")
        compare(client, "/buscar_archivos", expected, b"/", 600, orden=order, q=query, ocultos=hidden)


def test_an_unreadable_folder_met_in_a_search_is_told(client, tree):
    expected = oracle.search(tree, b"/permisos", "secreto", hidden=True)
    assert len(expected.notices) == 3
    compare(client, "/buscar_archivos", expected, b"/permisos", 1000, q="secreto", ocultos="true")
    visible = oracle.search(tree, b"/permisos", "secreto")
    assert len(visible.notices) == 2
    compare(client, "/buscar_archivos", visible, b"/permisos", 1, q="secreto")


def test_a_folder_of_which_only_the_names_may_be_read(client, tree):
    answer = client.get("/listar_archivos", ruta="/permisos/solo lista").json()
    expected = oracle.listing(tree, b"/permisos/solo lista")
    check_list(answer, expected)
    assert answer["completo"] is False and answer["avisos"]
    assert answer["entradas"] == expected.entries and len(expected.entries) == 3


def test_every_scalar_of_the_pool_is_found_by_itself(client, tree, root, folder):
    """Each letter, mark and sign: a name of it is found by it, marked where it stands."""
    path, ruta = folder
    scalars = sorted(set(odd_tree.LETTERS + odd_tree.SIGNS + odd_tree.DIGITS) - set(' *?"|:-'))
    with odd_tree.Folder(os.open(path, 0)) as inside:
        for scalar in scalars:
            inside.file(f"x{scalar}y".encode())
    made = oracle.read(root)
    for scalar in scalars:
        for query in (scalar, f"X{scalar}", f'"{scalar}y"', f"x*{scalar}*"):
            if is_clear(query):
                compare(client, "/buscar_archivos", oracle.search(made, ruta, query), ruta, 1000, q=query)
