"""An HTML page as tests look at it: well-formed, its words, and whatever it would load."""

from html.parser import HTMLParser

VOID = {"meta", "br", "input", "path", "use", "line", "rect", "circle", "stop"}


class Document(HTMLParser):
    """Collects tags, words, links and the cells of tables, and checks that elements close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.links, self.words = [], [], [], []
        self.tables = []  # of rows of cells
        self.feed(text)
        self.close()
        assert self.open == []

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href") and not value.startswith("#")]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data
