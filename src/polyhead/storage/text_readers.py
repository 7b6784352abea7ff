"""Readers of tables that are text: lines and JSONL. Knows nothing about the meaning of the columns."""

import codecs
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from polyhead.errors import UserError
from polyhead.storage.dialect import Dialect
from polyhead.storage.rows import BadRow, Row, RowReader


class TextReader(RowReader):
    """A file that is decoded; bytes that mean nothing in its encoding make bad rows, not an end."""

    newline: ClassVar[str] = ""
    """Where a line ends, see :class:`io.TextIOWrapper`; empty: at any line end that there is."""

    def __init__(self, name: str, dialect: Dialect) -> None:
        super().__init__(name, dialect)
        utf8 = codecs.lookup(dialect.encoding).name == "utf-8"
        encoding = "utf-8-sig" if utf8 else dialect.encoding  # spreadsheets put a byte order mark first
        # What cannot be decoded comes through as surrogates, so that its row can be named.
        self.stream = io.TextIOWrapper(self.input.stream, encoding, "surrogateescape", newline=self.newline)

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the number of each line, and the line.

        Raises:
            UserError: an encoding that cannot skip bytes met some that mean nothing in it.
        """
        number = 0
        try:
            for number, line in enumerate(self.stream, start=1):
                yield number, line
        except UnicodeError as error:
            raise self.error_after(number, f"{error}; it is {self.undecodable}") from error

    def error_after(self, number: int, reason: str) -> UserError:
        """Return the error for something behind a row; behind row 0 it is in the first row."""
        return UserError(f"{self.name} after row {number}: {reason}") if number else self.row_error(1, reason)

    @property
    def undecodable(self) -> str:
        """What to say of bytes that mean nothing in the encoding."""
        return f"not {self.dialect.encoding}; set encoding (for training data.encoding), or save the file as UTF-8"


class TextLines(TextReader):
    """One text per line; an empty line is an empty text, so that rows stay in step."""

    newline: ClassVar[str] = "\n"

    @property
    def columns(self) -> Sequence[str] | None:
        """The one column of lines."""
        return ["text"]

    def parsed(self) -> Iterator[tuple[int, Row | BadRow]]:
        """Yield a row with the column ``text`` for each line."""
        for number, line in self.lines():
            text = line.rstrip("\r\n")
            yield number, {"text": text} if is_decoded(text) else BadRow(self.undecodable)


class JsonLines(TextReader):
    """One JSON object per line; blank lines are skipped, and counted."""

    def parsed(self) -> Iterator[tuple[int, Row | BadRow]]:
        """Yield each line's object."""
        for number, line in self.lines():
            if line.strip():
                yield number, self._parse(line)

    def _parse(self, line: str) -> Row | BadRow:
        if not is_decoded(line):
            return BadRow(self.undecodable)
        try:
            row = json.loads(line, object_pairs_hook=_distinct_keys)
        except (ValueError, RecursionError) as error:
            return BadRow(f"no JSON ({error})")
        return self._checked(row, "\\u" in line)

    def _checked(self, row: object, doubtful: bool) -> Row | BadRow:
        """Return an object, or why it is none; of a ``doubtful`` one every character is looked at."""
        if not isinstance(row, dict):
            return BadRow('no JSON object with a key per column, as {"text": "..."}')
        if doubtful and not is_decoded(json.dumps(row, ensure_ascii=False)):
            return BadRow("half of a character, such as \\ud800, which no file can hold; mend it")
        return row


class JsonRows(JsonLines):
    """A JSON array of objects, which are counted from 1; a file that is no array is read as one object per line."""

    def parsed(self) -> Iterator[tuple[int, Row | BadRow]]:
        """Yield each entry.

        Raises:
            UserError: the array is damaged.
        """
        content = "".join(line for _, line in self.lines())
        if not content.lstrip().startswith("["):
            yield from (
                (number, self._parse(line)) for number, line in enumerate(io.StringIO(content), 1) if line.strip()
            )
            return
        try:
            rows = json.loads(content, object_pairs_hook=_distinct_keys)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{self.name}: no JSON ({error})") from error
        doubtful = "\\u" in content or not is_decoded(content)
        for number, row in enumerate(rows, start=1):
            yield number, self._checked(row, doubtful)


def is_decoded(text: str) -> bool:
    """Tell whether a text is without surrogates: bytes that came through, or halves of characters."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _distinct_keys(pairs: list[tuple[str, Any]]) -> Row:
    """Make an object of its keys and values; Python alone would drop all but the last of equal keys."""
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a key stands there twice")
    return row
