"""The readers of CSV and TSV files. Knows nothing about the meaning of the columns."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from typing import ClassVar

from polyhead.errors import UserError
from polyhead.storage.dialect import AUTO, Dialect
from polyhead.storage.rows import BadRow, Row
from polyhead.storage.text_readers import TextReader, is_decoded

_LONGEST_FIELD = 2**31 - 1  # characters of a cell; the csv module's own limit is 131,072
_SAMPLE_LINES = 1000  # that say how a file is written
_SAMPLE_CHARACTERS = 100_000
_SEPARATORS = ",;\t|"
_SAID = re.compile(r'sep=([^"\r\n])[\r\n]*', re.IGNORECASE)  # by Excel, in a line before the header
_NO_WORD = re.compile(r"[-+.\d][-+.,\deE]*|NA|NaN|nan|NULL|null")  # which some writers leave without quotes


class CsvRows(TextReader):
    """Comma-separated values with a header; blank lines are skipped, and counted, and so is Excel's ``sep=;``."""

    separator: ClassVar[str] = ","
    """The usual one."""

    def __init__(self, name: str, dialect: Dialect) -> None:
        super().__init__(name, dialect)
        csv.field_size_limit(_LONGEST_FIELD)
        self.number = 0  # of the last row read
        self.delimiter = self.separator

    @cached_property
    def records(self) -> Iterator[tuple[int, list[str]]]:
        """The number and the cells of each row, the header included."""
        sample, rest = self._sample()
        before, said = _before_header(sample)
        del sample[:before]
        self.delimiter = self._find_separator(sample, said)
        quote = self._find_quote(sample, whole=rest is None)
        lines = chain(sample, rest or ())
        return enumerate(csv.reader(lines, delimiter=self.delimiter, quotechar=quote, strict=True), start=before + 1)

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
        if not all(map(is_decoded, header)):
            raise self.row_error(self.number, f"the header is {self.undecodable}")
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
        whole = "".join(cells)
        if not is_decoded(whole):
            column = next(name for name, cell in zip(columns, cells, strict=True) if not is_decoded(cell))
            return BadRow(f"{column} is {self.undecodable}")
        if ("\n" in whole or "\r" in whole) and _has_joined_rows(cells, self.delimiter):
            self.joined += 1
        return dict(zip(columns, cells, strict=True))

    def _sample(self) -> tuple[list[str], Iterable[str] | None]:
        """Return the first lines, and the others; None where there are none."""
        lines: list[str] = []
        size = 0
        try:
            for line in self.stream:
                lines.append(line)
                size += len(line)
                if len(lines) == _SAMPLE_LINES or size > _SAMPLE_CHARACTERS:
                    return lines, self.stream
        except UnicodeError as error:  # raised again behind the lines, where it belongs
            return lines, _raising(error)
        return lines, None

    def _find_separator(self, sample: Sequence[str], said: str | None) -> str:
        if self.dialect.separator != AUTO:
            return self.dialect.separator
        if said is not None:
            return said
        header = re.sub(r'"[^"]*"', "", sample[0]) if sample else ""
        others = [other for other in _SEPARATORS if other in header]
        if self.separator in header or not others:
            return self.separator
        found = max(others, key=header.count)
        self.notes.append(f"{self.name}: cells are separated by {found!r}, as in its header; see separator")
        return found

    def _find_quote(self, sample: Sequence[str], whole: bool) -> str | None:
        if self.dialect.quote != AUTO:
            return self.dialect.quote
        body = "".join(sample[1:])
        if self.delimiter != "\t" or _is_quoted_throughout(body, whole):
            return '"'
        if re.search(r'(?:^|[\t\r\n])"[^\t\r\n]*"(?:$|[\t\r\n])', body):
            hint = "where they stand around cells, set quote='\"'"
            self.notes.append(
                f"{self.name}: quotes are plain characters, since not all cells of text have them; {hint}"
            )
        return None

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

    separator: ClassVar[str] = "\t"


def _before_header(lines: Sequence[str]) -> tuple[int, str | None]:
    """Return how many lines stand before the header, and the separator that one of them gives."""
    said = None
    for number, line in enumerate(lines):
        if match := _SAID.fullmatch(line):
            said = match[1]
        elif line.strip("\r\n"):
            return number, said
    return len(lines), said


def _raising(error: Exception) -> Iterator[str]:
    """Yield nothing, and raise an error."""
    yield from ()
    raise error


def _is_quoted_throughout(body: str, whole: bool) -> bool:
    """Tell whether all cells of text between tabs have quotes; numbers and gaps need none.

    Args:
        body: the first rows.
        whole: there are no others; otherwise the last cell may be cut off.
    """
    cell = re.compile(r'(?:(?P<quoted>"[^"]*(?:""[^"]*)*")|(?P<plain>[^"\t\r\n][^\t\r\n]*)?)(?:\t|\r\n|\r|\n|\Z)')
    position, quoted = 0, False
    while position < len(body):
        match = cell.match(body, position)
        if match is None:
            return quoted and not whole and _is_open(body[position:])
        plain, inside = match["plain"], match["quoted"]
        if plain and not _NO_WORD.fullmatch(plain):
            return False
        if inside and "\t" in inside and ("\n" in inside or "\r" in inside):
            return False  # rather two cells with a stray quote each than one that holds so much
        quoted |= inside is not None
        position = match.end()
    return quoted


def _is_open(rest: str) -> bool:
    """Tell whether a text is the start of a cell in quotes."""
    return re.fullmatch(r'"[^"]*(?:""[^"]*)*', rest) is not None


def _has_joined_rows(cells: Sequence[str], separator: str) -> bool:
    """Tell whether a cell holds line ends, and separators where they would be if it were the parts of several rows.

    A quote that opens in column j and closes in a later row has swallowed the rest of its own row, rows as they are,
    and the first j cells of the last one.
    """
    last = len(cells) - 1
    for column, cell in enumerate(cells):
        lines = [line for line in re.split(r"[\r\n]+", cell) if line]
        if len(lines) > 1 and last > 0:
            head, *inner, tail = [line.count(separator) for line in lines]
            if head >= last - column and tail >= column and all(count >= last for count in inner):
                return True
    return False
