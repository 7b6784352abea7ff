"""Rows: the content of a table, and what every reader of tables can do. Knows nothing about formats.

Rows are counted as a person counts them: the header of a CSV file is row 1, and blank lines count.
"""

import codecs
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from polyhead.errors import ParameterError, UserError, did_you_mean, require_extra
from polyhead.storage.input import InputFile

Row = dict[str, Any]

LONGEST_CELL = 80  # characters of a cell that a message shows
_SEPARATORS = ",\t\r\n"


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read.

    Args:
        reason: what is wrong with it, for a message that has named its file and number.
    """

    reason: str


@dataclass(frozen=True)
class Dialect:
    """How text is written in a file; Parquet files have no choice.

    Args:
        encoding: of text, CSV, TSV and JSONL files, as Python names it; a byte order mark is skipped.
        quote: the character around CSV and TSV cells with separators or line ends in them; None: there is none, and
            quotes are plain characters.

    Raises:
        ParameterError: an unknown encoding, or a quote that is not one character.
    """

    encoding: str = "utf-8"
    quote: str | None = '"'

    def __post_init__(self) -> None:
        problems = []
        if not _is_encoding(self.encoding):
            problems.append(f"encoding: unknown encoding {self.encoding!r}; utf-8 and latin-1 are common")
        if self.quote is not None and (len(self.quote) != 1 or self.quote in _SEPARATORS):
            problems.append(f"quote: {self.quote!r} given; it must be one character other than a separator, or null")
        if problems:
            raise ParameterError("\n".join(problems))


class RowReader(ABC):
    """The rows of a file, which may be compressed by gzip; a context manager.

    Args:
        name: of the file, or ``-`` for standard input.
        dialect: how its text is written.

    Raises:
        UserError: the file cannot be opened.
    """

    def __init__(self, name: str, dialect: Dialect) -> None:
        self.input = InputFile(name)
        self.name = self.input.name
        self.dialect = dialect

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[int, Row]]:
        """Yield the number of each row, and the row with one value per column.

        Raises:
            UserError: a row is damaged, or the file cannot be read to its end.
        """
        for number, row in self.good_and_bad_rows():
            if isinstance(row, BadRow):
                raise self.row_error(number, row.reason)
            yield number, row

    def good_and_bad_rows(self) -> Iterator[tuple[int, Row | BadRow]]:
        """Yield the number of each row, and the row or the reason why it cannot be read.

        Raises:
            UserError: the rest of the file cannot be read.
        """
        with self.input.reading():
            yield from self.parsed()

    @abstractmethod
    def parsed(self) -> Iterator[tuple[int, Row | BadRow]]:
        """Yield the number of each row, and the row or the reason why it cannot be read."""

    def close(self) -> None:
        """Close the file."""
        self.input.close()

    @property
    def size(self) -> int | None:
        """Bytes to read in all; None for a pipe."""
        return self.input.size

    @property
    def position(self) -> int | None:
        """Bytes read so far; None for a pipe."""
        return self.input.position

    @property
    def columns(self) -> Sequence[str] | None:
        """The names of the columns; None where each row has its own.

        Raises:
            UserError: there is no header, or two columns have one name.
        """
        return None

    @property
    def schema(self) -> Any:
        """The Arrow schema of the columns, where the file has one."""
        return None

    def check(self, column: str) -> None:
        """Refuse a column that cannot hold the texts, as far as that is known before the rows are read.

        Raises:
            UserError: it is not there, or holds something else.
        """
        if self.columns is not None and column not in self.columns:
            raise UserError(f"{self.name}: no {missing_text('column', column, self.columns)}")

    def text_of(self, number: int, row: Row, column: str) -> str:
        """Return the text of a row.

        Raises:
            UserError: it has no such column, or no text there.
        """
        reason = text_problem(row, column)
        if reason is None and row[column] is None:
            reason = "the text is empty; fill it in, or remove the row"
        if reason is not None:
            raise self.row_error(number, reason)
        return str(row[column])

    def texts(self, column: str) -> Iterator[str]:
        """Yield the text of each row; see :meth:`text_of`."""
        for number, row in self:
            yield self.text_of(number, row, column)

    def row_error(self, number: int, reason: str) -> UserError:
        """Return the error for a row."""
        return UserError(f"{self.name} row {number}: {reason}")

    def distinct(self, columns: Sequence[str]) -> Sequence[str]:
        """Return the names of columns.

        Raises:
            UserError: two have one name: the values of one would be lost.
        """
        doubled = [name for name, count in Counter(columns).items() if count > 1]
        if doubled:
            raise UserError(f"{self.name}: the column {doubled[0]!r} stands there twice; rename one")
        return columns


def text_problem(row: Mapping[str, Any], column: str) -> str | None:
    """Say why a row has no text; None where it has one, or null."""
    if column not in row:
        return f"no {missing_text('key', column, row)}"
    value = row[column]
    if value is None or isinstance(value, str):
        return None
    return f"{column} is {repr(value)[:LONGEST_CELL]} and no text"


def missing_text(kind: str, column: str, present: Iterable[str]) -> str:
    """Say that the column or key of the texts is not among those present, and what to do."""
    return f"{kind} {column!r} for the text, set text (for training data.text); {did_you_mean(column, present)}"


def arrow(what: str) -> Any:
    """Import pyarrow.

    Raises:
        UserError: it is not installed.
    """
    with require_extra("parquet", f"{what}: a .parquet file"):
        import pyarrow
        import pyarrow.parquet
    return pyarrow


def _is_encoding(name: str) -> bool:
    """Tell whether Python has a text encoding of that name; ``codecs.lookup`` knows others, such as base64."""
    try:
        codecs.lookup(name)
        "a".encode(name)
    except (LookupError, ValueError):
        return False
    return True
