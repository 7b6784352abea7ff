"""Check the built site: every link and picture leads somewhere, and nothing is fetched from another host.

The builder itself looks at the links of Markdown, not at pictures, the navigation or what comes out of docstrings.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {"script", "img", "link", "iframe", "source"}


class Page(HTMLParser):
    """What a page refers to, and what can be referred to in it.

    Args:
        text: of the page.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[tuple[str, str]] = []  # tag, address
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the names and the addresses of a tag."""
        for name, value in attrs:
            if value and name == "id":
                self.ids.add(value)
            elif value and name in ("href", "src") and dict(attrs).get("rel") != "canonical":
                self.links.append((tag, value))


def problems(site: Path) -> Iterator[str]:
    """Yield what is wrong in a built site, a line each."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        for tag, link in page.links if path.name != "404.html" else []:
            address = urlsplit(link)
            if address.scheme or address.netloc:
                if tag in FETCHED and address.scheme != "data":
                    yield f"{path.relative_to(site)}: {link} is fetched from another host"
                continue
            there = (path.parent / unquote(address.path)).resolve() if address.path else path
            there = there / "index.html" if there.is_dir() else there
            if not there.exists():
                yield f"{path.relative_to(site)}: {link} leads nowhere"
            elif address.fragment and there in pages and unquote(address.fragment) not in pages[there].ids:
                yield f"{path.relative_to(site)}: {link} has no such place"


def navigation_problems(config: Path, pages: Path) -> Iterator[str]:
    """Yield the pages that the navigation lacks, and those that only it has."""
    nav = config.read_text(encoding="utf-8").partition("\nnav:\n")[2]
    named = set(re.findall(r"(\S+\.md)$", nav, flags=re.MULTILINE))
    written = {str(path.relative_to(pages)) for path in pages.rglob("*.md")}
    yield from (f"{config.name}: nav lacks {page}" for page in sorted(written - named))
    yield from (f"{config.name}: nav names {page}, which is no page" for page in sorted(named - written))


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    found = [*navigation_problems(root / "mkdocs.yml", root / "build" / "docs"), *problems(root / "site")]
    print("\n".join(found) or "site/index.html: all links lead somewhere")
    sys.exit(bool(found))
