"""The pages for people: what they hold, how they are linked, and that a browser shows them whole."""

import os
import re
from urllib.parse import urljoin, urlsplit

import pytest

import oracle
from chromium import Chromium
from client import parameters, target
from html_page import Page
from test_oracle import folders

HTML = {"Accept": "text/html"}
ERRORS = [("/nada", 404), ("/listar_archivos?ruta=/nada", 404), ("/listar_archivos?limite=0", 400),
          ("/buscar_archivos", 400), ("/buscar_archivos?q=%22%3Cb%3E", 400), ("/?x=1", 400),
          ("/listar_archivos?%3Cscript%3E=1", 400), ("/listar_archivos?ruta=/%3Cscript%3E", 404),
          ("/listar_archivos?ruta=/permisos/cerrada", 403), ("/listar_archivos?cursor=%22%3E%3Cb%3E", 400)]
PAGES = ["/", "/listar_archivos", "/listar_archivos?ruta=/nombres&limite=1000", "/problemas/no_existe",
         "/listar_archivos?ruta=/contrato&limite=5", "/listar_archivos?ruta=/contrato/vacia",
         "/listar_archivos?ruta=/contrato/archivo.txt", "/listar_archivos?ruta=/mezcla&limite=1000",
         "/buscar_archivos?q=a&limite=1000", "/buscar_archivos?q=nada+de+eso", "/buscar_archivos?tipo=enlace",
         "/buscar_archivos?q=%22%3Cscript%22", "/listar_archivos?ruta=/enlaces&ocultos=true",
         "/listar_archivos?ruta=/permisos/solo+lista", "/listar_archivos?ruta=/tiempos"]


def load(client, asked, status=200, language=None):
    answer = client.ask(asked, {**HTML, **({"Accept-Language": language} if language else {})})
    assert answer.status == status, (answer.status, asked)
    return Page(answer.html())


def link(page, asked, href):
    """Where a link of the page at `asked` leads: a target on this server."""
    whole = urljoin("https://aqui" + (asked.decode() if isinstance(asked, bytes) else asked), href)
    assert whole.startswith("https://aqui/"), href
    return whole.removeprefix("https://aqui").partition("#")[0]


@pytest.mark.parametrize("asked, status", [(p, 200) for p in PAGES] + ERRORS)
@pytest.mark.parametrize("language", ["es", "en"])
def test_a_page_is_well_made_and_safe(client, asked, status, language):
    page = load(client, asked, status, language)
    html = page.one("html")
    assert html.get("lang") == language
    assert page.one("title").text.strip() and len(page.every("h1")) <= 1 and len(page.every("main")) == 1
    assert not page.tags & {"script", "style", "iframe", "object", "embed", "base", "font", "center"}
    identities = []
    for element in page.root.every(*page.tags):
        for name, value in element.attributes.items():
            assert not name.startswith("on") and name != "style", (element.tag, name)
            if name in ("href", "src", "action"):
                assert not re.match(r"\s*(javascript|data|vbscript):", value or "", re.I), value
                link(page, asked, value)
            if name == "id":
                identities.append(value)
        if element.tag == "input" and element.get("type") not in ("hidden", "submit"):
            labels = [e for e in page.every("label") if e.get("for") == element.get("id")]
            assert labels or element.get("aria-label") or element.parent.tag == "label", "no label"
        if element.tag == "img":
            assert element.get("alt") is not None
    assert len(identities) == len(set(identities)), identities
    assert any(m.get("name") == "viewport" for m in page.every("meta"))
    for style in page.every("link"):
        if style.get("rel") in ("stylesheet", "icon"):
            served = client.ask(link(page, asked, style.get("href")), checked=False)
            kind = {"stylesheet": "text/css", "icon": "image/"}[style.get("rel")]
            assert served.status == 200 and served.kind.startswith(kind), style.attributes
    assert [s for s in page.every("link") if s.get("rel") == "stylesheet"]


def test_a_page_differs_by_language_but_not_in_what_it_lists(client):
    spanish, english = (load(client, "/listar_archivos?ruta=/contrato", language=l) for l in ("es", "en"))
    assert spanish.one("title").text != english.one("title").text or spanish.root.text != english.root.text
    assert [row[0].text for row in spanish.rows] == [row[0].text for row in english.rows]


PRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def told(text):
    """A name as a reader sees it: no controls, nothing that turns the direction round, spaces run together."""
    text = re.sub("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]", "\ufffd", text)
    return re.sub(r"\s+", " ", PRINTED.sub(" ", text)).strip()


@pytest.mark.parametrize("ruta", ["/", "/nombres", "/orden", "/mezcla", "/gemelos ñ", "/enlaces", "/contrato",
                                  "/especiales", "/tiempos", "/tamaños"])
def test_every_name_is_shown_escaped_and_in_order(client, tree, ruta):
    expected = oracle.listing(tree, ruta.encode())
    page = load(client, target("/listar_archivos", ruta=ruta, limite=1000))
    assert len(page.rows) == len(expected.entries)
    for row, entry in zip(page.rows, expected.entries):
        assert len(row) >= 3, "name, size, time"
        if PRINTED.search(entry["nombre"]):
            continue  # How a control is made visible is the page's affair.
        assert told(entry["nombre"]) in told(row[0].text), (row[0].text, entry)


def test_links_lead_into_every_folder(client, tree):
    """From the root, by links alone, each visible folder that may be read is reached."""
    seen, todo, reached = set(), ["/listar_archivos"], set()
    while todo:
        asked = todo.pop()
        page = load(client, asked)
        reached.add(bytes_of(asked))
        for row in page.rows:
            for anchor in [a for cell in row for a in cell.every("a")]:
                href = link(page, asked, anchor.get("href"))
                if href in seen or not href.startswith("/listar_archivos") or bytes_of(href).count(b"/") > 12:
                    continue
                seen.add(href)
                answer = client.ask(href, HTML)
                assert answer.status in (200, 403, 404), (href, answer.status)
                outcome, node = oracle.resolve(tree, bytes_of(href))
                if outcome == "folder" and node.path == bytes_of(href).lstrip(b"/"):
                    assert answer.status == 200, href
                    todo.append(href)
                elif outcome == "folder":
                    assert answer.status == 200, href
        following = page.next and link(page, asked, page.next)
        if following and following not in seen:
            seen.add(following)
            todo.append(following)
    wanted = {path for path in folders(tree) if oracle.resolve(tree, path)[0] == "folder"
              and path.count(b"/") <= 12 and not path.startswith(b"/permisos/solo paso/")}
    assert wanted - reached == set()


def bytes_of(asked):
    asked = asked.encode() if isinstance(asked, str) else asked
    return oracle.normal(dict(parameters(asked)).get(b"ruta", b"/"))


@pytest.mark.parametrize("ruta, limit", [("/nombres", 7), ("/contrato/cien", 10), ("/orden", 40)])
def test_the_next_page_is_followed_to_the_end(client, tree, ruta, limit):
    expected = oracle.listing(tree, ruta.encode())
    asked, count, last = target("/listar_archivos", ruta=ruta, limite=limit).decode(), 0, []
    while asked:
        page = load(client, asked)
        for row, entry in zip(page.rows, expected.entries[count:]):
            assert PRINTED.search(entry["nombre"]) or told(entry["nombre"]) in told(row[0].text)
        count += len(page.rows)
        last.append(len(page.rows))
        asked = page.next and link(page, asked, page.next)
    assert count == len(expected.entries) and set(last[:-1]) <= {limit}


def test_the_next_page_of_a_search(client, tree):
    expected = oracle.search(tree, b"/contrato", "txt")
    asked, count = "/buscar_archivos?ruta=/contrato&q=txt&limite=9", 0
    while asked:
        page = load(client, asked)
        count += len(page.rows)
        asked = page.next and link(page, asked, page.next)
    assert count == len(expected.entries) > 100


def test_a_link_to_the_next_page_keeps_the_page_html(client):
    """`formato=html` is a parameter of the request, so the next page has it, too."""
    answer = client.ask("/listar_archivos?ruta=/contrato/cien&limite=5&formato=html")
    assert client.ask(answer.next).kind == "text/html"
    page = Page(answer.html())
    assert client.ask(link(page, "/listar_archivos", page.next)).kind == "text/html"


@pytest.mark.parametrize("ruta", ["/contrato/a/b", "/nombres/carpeta \udce2\udc82 rota/más", "/gemelos ñ/sección"])
def test_breadcrumbs_lead_up(client, ruta):
    raw = ruta.encode("utf-8", "surrogateescape")
    asked = target("/listar_archivos", ruta=raw).decode()
    page = load(client, asked)
    trails = []
    for nav in page.every("nav"):
        links = [link(page, asked, a.get("href")) for a in nav.every("a")]
        trails.append([bytes_of(href) for href in links if href.startswith("/listar_archivos") or href == "/"])
        for href in links:
            assert client.ask(href, HTML).status == 200, href
    parts = raw.strip(b"/").split(b"/")
    ways = [b"/" + b"/".join(parts[:n]) for n in range(len(parts))]
    assert any(trail[:len(ways)] == ways for trail in trails), trails


@pytest.mark.parametrize("start", ["/", "/listar_archivos?ruta=/contrato", "/buscar_archivos?q=a&ruta=/contrato"])
def test_the_search_box_works(client, start):
    page = load(client, start)
    forms = [f for f in page.every("form") if f.get("action") and
             link(page, start, f.get("action")) == "/buscar_archivos"]
    assert len(forms) >= 1 and (forms[0].get("method") or "get").lower() == "get"
    given = {}
    for field in forms[0].every("input", "select", "button"):
        if field.tag == "input" and field.get("name") and field.get("type") not in ("checkbox", "radio"):
            given[field.get("name")] = field.get("value") or ""
    assert "q" in given
    given["q"] = "dentro"
    found = load(client, target("/buscar_archivos", **given))
    assert any("dentro.txt" in row[0].text for row in found.rows)
    boxes = [i for i in found.every("input") if i.get("name") == "q"]
    assert boxes[0].get("value") == "dentro", "the box keeps what was asked"


def test_what_was_asked_comes_back_escaped(client):
    asked = target("/buscar_archivos", q='<script>alert("1")</script> &amp; \'x\''.replace('"', ""))
    page = load(client, asked)
    boxes = [i for i in page.every("input") if i.get("name") == "q"]
    assert boxes[0].get("value") == "<script>alert(1)</script> &amp; 'x'"


def test_marks_show_where_a_hit_matches(client):
    page = load(client, "/buscar_archivos?ruta=/contrato&q=camion")
    assert sorted(mark.text for mark in page.every("mark")) == ["Camión", "camion"]


def test_a_page_for_an_incomplete_answer_says_so(client):
    whole = load(client, "/listar_archivos?ruta=/contrato&limite=1")
    part = load(client, "/buscar_archivos?ruta=/permisos&q=secreto")
    assert "/permisos/cerrada" in part.root.text and "/permisos/cerrada" not in whole.root.text


# In a browser

@pytest.fixture(scope="module")
def browser(tmp_path_factory, client):
    made = Chromium(str(tmp_path_factory.mktemp("perfil")))
    yield made
    made.close()


@pytest.mark.parametrize("asked", ["/", "/listar_archivos?ruta=/nombres", "/buscar_archivos?q=a", "/nada",
                                   "/listar_archivos?ruta=/contrato&limite=5"])
def test_chromium_shows_the_page_whole(client, browser, asked, tmp_path):
    browser.open(client.url + asked)
    expected = 1 if urlsplit(asked).path == "/nada" else 0  # The browser logs a 404 of the page itself.
    assert len(browser.entries) == expected, browser.entries
    assert browser.value("[...document.styleSheets].filter(s => s.cssRules.length > 5).length") >= 1
    assert browser.value("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    colours = []
    for scheme in ("light", "dark"):
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        colours.append(browser.value("getComputedStyle(document.body).backgroundColor + "
                                     "getComputedStyle(document.documentElement).backgroundColor"))
    assert colours[0] != colours[1], "light and dark are alike"
    picture = browser.screenshot()
    assert picture.startswith(b"\x89PNG") and len(picture) > 5000
    if "SCREENSHOTS" in os.environ:
        name = re.sub(r"\W+", "-", asked).strip("-") or "inicio"
        with open(os.path.join(os.environ["SCREENSHOTS"], name + ".png"), "wb") as file:
            file.write(picture)


def test_chromium_searches_by_the_box(client, browser):
    browser.open(client.url + "/listar_archivos?ruta=/contrato")
    browser.events.clear()
    browser.value("(() => { const q = document.querySelector('input[name=q]'); q.value = 'dentro';"
                  " q.form.requestSubmit(); })()")
    browser.wait()
    assert browser.value("location.pathname") == "/buscar_archivos"
    assert "dentro.txt" in browser.value("document.querySelector('tbody').innerText")
    assert browser.entries == []
