"""Readers of tables that are text: lines, JSONL, CSV and TSV. Knows nothing about the meaning of the columns."""

import codecs
import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar

from polyhead.errors import UserError
from polyhead.storage.rows import BadRow, Dialect, Row, RowReader

_LONGEST_FIELD = 2**31 - 1  # characters of a cell; the csv module's own limit is 131,072


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
            yield number, {"text": text} if _is_decoded(text) else BadRow(self.undecodable)


class JsonLines(TextReader):
    """One JSON object per line; blank lines are skipped, and counted."""

    def parsed(self) -> Iterator[tuple[int, Row | BadRow]]:
        """Yield each line's object."""
        for number, line in self.lines():
            if line.strip():
                yield number, self._parse(line)

    def _parse(self, line: str) -> Row | BadRow:
        if not _is_decoded(line):
            return BadRow(self.undecodable)
        try:
            row = json.loads(line, object_pairs_hook=_distinct_keys)
        except (ValueError, RecursionError) as error:
            return BadRow(f"no JSON ({error})")
        if not isinstance(row, dict):
            return BadRow('no JSON object with a key per column, as {"text": "..."}')
        if "\\u" in line and not _is_decoded(json.dumps(row, ensure_ascii=False)):
            return BadRow("half of a character, such as \\ud800, which no file can hold; mend it")
        return row


class CsvRows(TextReader):
    """Comma-separated values with a header; blank lines are skipped, and counted."""

    delimiter: ClassVar[str] = ","

    def __init__(self, name: str, dialect: Dialect) -> None:
        super().__init__(name, dialect)
        csv.field_size_limit(_LONGEST_FIELD)
        reader = csv.reader(self.stream, delimiter=self.delimiter, quotechar=dialect.quote, strict=True)
        self.records = enumerate(reader, start=1)
        self.number = 0  # of the last row read

    @cached_property
    def columns(self) -> Sequence[str] | None:
        """The names in the first row.

        Raises:
            UserError: there is none, it is in another encoding, or two columns have one name.
        """
        with self.input.reading(), self._parsing():
            self.number, header = next(self.records, (0, []))
        if not header:
            raise UserError(f"{self.name}: empty; its first row must name the columns")
        if not all(map(_is_decoded, header)):
            raise self.row_error(1, f"the header is {self.undecodable}")
        return self.distinct(header)

    def parsed(self) -> Iterator[tuple[int, Row | BadRow]]:
        """Yield a row with one text per column."""
        columns = self.columns or ()
        with self._parsing():
            for number, cells in self.records:
                self.number = number
                if cells:
                    yield number, self._row(columns, cells)

    def _row(self, columns: Sequence[str], cells: Sequence[str]) -> Row | BadRow:
        if len(cells) != len(columns):
            return BadRow(f"{len(cells)} cells where the header has {len(columns)}")
        for column, cell in zip(columns, cells, strict=True):
            if not _is_decoded(cell):
                return BadRow(f"{column} is {self.undecodable}")
        return dict(zip(columns, cells, strict=True))

    @contextmanager
    def _parsing(self) -> Iterator[None]:
        """Turn errors of the csv module into user errors."""
        try:
            yield
        except UnicodeError as error:
            raise self.error_after(self.number, f"{error}; it is {self.undecodable}") from error
        except csv.Error as error:
            hint = "where quotes are plain characters, set quote=null (for training data.quote=null)"
            raise self.error_after(self.number, f"{error}; {hint}") from error


class TsvRows(CsvRows):
    """Tab-separated values with a header."""

    delimiter: ClassVar[str] = "\t"


def _is_decoded(text: str) -> bool:
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
