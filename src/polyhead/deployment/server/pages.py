"""Pages: the HTML of the server, each with its style and script inside. Knows nothing about what it shows.

Nothing of a page is loaded from elsewhere, so it works without a network and shows nobody what is asked.
"""

from importlib.resources import files

_STYLE, _SCRIPT = "/* style */", "/* script */"  # where page.css and the scripts go


def read_page(name: str) -> str:
    """Return a page of the folder ``web``.

    Args:
        name: of its ``.html`` and its ``.js``; the style and what all scripts share are added.
    """
    script = f"{_read('shared.js')}\n{_read(f'{name}.js')}"
    return _read(f"{name}.html").replace(_STYLE, _read("page.css")).replace(_SCRIPT, script)


def _read(name: str) -> str:
    return (files("polyhead.deployment.server") / "web" / name).read_text(encoding="utf-8")
