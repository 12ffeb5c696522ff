"""Pages read back: what a reader, a screen reader or a browser finds in them."""

from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Element:
    """An element of a page, its attributes, its children and its text."""

    def __init__(self, tag, attributes, parent=None):
        self.tag, self.attributes, self.parent, self.children, self.pieces = tag, attributes, parent, [], []

    def __getitem__(self, name):
        return self.attributes.get(name)

    @property
    def text(self):
        """All text within, spaces as a browser shows them."""
        return " ".join("".join(self._texts()).split())

    def _texts(self):
        for piece in self.pieces:
            if isinstance(piece, str):
                yield piece
            else:
                yield from piece._texts()

    def walk(self):
        """This element and all within."""
        yield self
        for child in self.children:
            yield from child.walk()

    def find_all(self, tag=None, **attributes):
        """All elements within of a tag and of some attributes; `class_` holds one of the classes."""
        wanted = attributes.pop("class_", None)
        return [
            element
            for element in self.walk()
            if tag in (None, element.tag)
            and (wanted is None or wanted in (element["class"] or "").split())
            and all(element[name] == value for name, value in attributes.items())
        ]

    def find(self, tag=None, **attributes):
        """The only such element."""
        (found,) = self.find_all(tag, **attributes)
        return found

    def table(self):
        """Rows of the table within: column -> text."""
        names = [head.text for head in self.find("thead").find_all("th")]
        rows = self.find("tbody").find_all("tr")
        return [dict(zip(names, (cell.text for cell in row.children), strict=True)) for row in rows]

    def sorted_by(self, column):
        """Return the value by which the page sorts the rows of a table, in a column."""
        names = [head.text for head in self.find("thead").find_all("th")]
        return [row.children[names.index(column)]["data-sort"] for row in self.find("tbody").find_all("tr")]


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.root = self.here = Element("page", {})

    def handle_starttag(self, tag, attributes):
        element = Element(tag, dict(attributes), self.here)
        self.here.children.append(element)
        self.here.pieces.append(element)
        if tag not in VOID:
            self.here = element

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.here = self.here.parent

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert tag == self.here.tag, f"<{self.here.tag}> is closed by </{tag}>, near {self.getpos()}"
        self.here = self.here.parent

    def handle_data(self, text):
        self.here.pieces.append(text)


def read_page(path: Path) -> Element:
    """The elements of a page; every element must be closed where it was opened."""
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.here is reader.root
    return reader.root
