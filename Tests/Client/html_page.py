"""An HTML page as the tests look at it: its elements, text, links, forms and rows, read strictly."""

from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


class Element:
    def __init__(self, tag, attributes, parent):
        self.tag, self.attributes, self.parent, self.children = tag, dict(attributes), parent, []

    def get(self, name):
        return self.attributes.get(name)

    @property
    def text(self):
        return "".join(c if isinstance(c, str) else c.text for c in self.children)

    def every(self, *tags):
        """All elements beneath with one of these tags, in document order."""
        for child in self.children:
            if not isinstance(child, str):
                if child.tag in tags:
                    yield child
                yield from child.every(*tags)


class Page(HTMLParser):
    """Fails on what a browser would silently repair: an element closed wrongly, an attribute twice."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.root = self.here = Element("", (), None)
        self.tags = set()
        assert text.lower().startswith("<!doctype html>"), text[:80]
        self.feed(text)
        self.close()
        assert self.here is self.root, f"<{self.here.tag}> is not closed"

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        made = Element(tag, attributes, self.here)
        self.tags.add(tag)
        self.here.children.append(made)
        if tag not in VOID:
            self.here = made

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert tag == self.here.tag, f"</{tag}> closes <{self.here.tag}>"
        self.here = self.here.parent

    def handle_data(self, data):
        self.here.children.append(data)

    def every(self, *tags):
        return list(self.root.every(*tags))

    def one(self, tag):
        found = self.every(tag)
        assert len(found) == 1, f"{len(found)} <{tag}>"
        return found[0]

    @property
    def rows(self):
        """The table's rows of data: [cell elements]."""
        made = []
        for body in self.every("tbody"):
            made += [[c for c in row.children if not isinstance(c, str) and c.tag in ("td", "th")]
                     for row in body.every("tr")]
        return made

    @property
    def next(self):
        """Where the next page is, or None."""
        found = {a.get("href") for a in self.every("a", "link") if "next" in (a.get("rel") or "").split()}
        assert len(found) <= 1, found
        return found.pop() if found else None
