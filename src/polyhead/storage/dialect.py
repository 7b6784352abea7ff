"""Dialect: how the text of a table is written, and on which sheet. Knows nothing about files."""

import codecs
from dataclasses import dataclass

from polyhead.errors import ParameterError

AUTO = "auto"
_LINE_ENDS = "\r\n"


@dataclass(frozen=True)
class Dialect:
    """How text is written in a file; Parquet and Arrow files have no choice, and Excel files that of a sheet alone.

    Args:
        encoding: of text, CSV, TSV and JSON files, as Python names it; a byte order mark is skipped.
        quote: the character around CSV and TSV cells with separators or line ends in them; None: there is none, and
            quotes are plain characters. ``auto``: the double quote, but cells between tabs are plain unless all cells
            of text have quotes.
        separator: the character between the cells of CSV and TSV files; ``auto``: the comma or the tab, as the ending
            of the name says, or what the header has instead of it.
        sheet: of Excel files: its name, or its number from 1; None: the first that has rows.

    Raises:
        ParameterError: an unknown encoding, a quote or separator that is not one character, or both the same, or a
            sheet below 1.
    """

    encoding: str = "utf-8"
    quote: str | None = AUTO
    separator: str = AUTO
    sheet: str | int | None = None

    def __post_init__(self) -> None:
        problems = []
        if not _is_encoding(self.encoding):
            problems.append(f"encoding: unknown encoding {self.encoding!r}; utf-8 and latin-1 are common")
        if self.quote not in (None, AUTO) and not self._may_quote(self.quote):
            rule = "it must be one character other than a separator, null or auto"
            problems.append(f"quote: {self.quote!r} given; {rule}")
        if self.separator != AUTO and not _is_character(self.separator):
            rule = """it must be one character other than a line end, or auto; a tab is written "\\t\""""
            problems.append(f"separator: {self.separator!r} given; {rule}")
        if isinstance(self.sheet, int) and self.sheet < 1:
            problems.append(f"sheet: {self.sheet} given; it must be a name, or a number from 1")
        if problems:
            raise ParameterError("\n".join(problems))

    def _may_quote(self, quote: str | None) -> bool:
        separators = ",\t" if self.separator == AUTO else self.separator
        return quote is not None and _is_character(quote) and quote not in separators


def _is_character(text: str) -> bool:
    return len(text) == 1 and text not in _LINE_ENDS


def _is_encoding(name: str) -> bool:
    """Tell whether Python has a text encoding of that name; ``codecs.lookup`` knows others, such as base64."""
    try:
        codecs.lookup(name)
        "a".encode(name)
    except (LookupError, ValueError):
        return False
    return True
