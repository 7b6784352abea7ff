"""Rows: the content of a table, and what every reader of tables can do. Knows nothing about formats.

Rows are counted as a person counts them: the header of a CSV file is row 1, and blank lines count.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from polyhead.errors import UserError, require_extra
from polyhead.storage.cells import TextColumns, column_names, has_column, missing_text, row_text, text_problem
from polyhead.storage.dialect import Dialect
from polyhead.storage.input import InputFile

Row = dict[str, Any]
"""A row of a table: column -> value."""


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read.

    Args:
        reason: what is wrong with it, for a message that has named its file and number.
    """

    reason: str


class RowReader(ABC):
    """The rows of a file, which may be compressed by gzip; a context manager.

    Args:
        name: of the file, or ``-`` for standard input.
        dialect: how its text is written.

    Attributes:
        notes: how the file is read where that is not obvious, a line each; complete once the columns are known.
        joined: rows so far with a cell that looks like several rows: a stray quote may have joined them.

    Raises:
        UserError: the file cannot be opened.
    """

    def __init__(self, name: str, dialect: Dialect) -> None:
        self.input = InputFile(name)
        self.name = self.input.name
        self.dialect = dialect
        self.notes: list[str] = []
        self.joined = 0

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

    def check(self, columns: TextColumns) -> None:
        """Refuse columns that cannot hold the texts, as far as that is known before the rows are read.

        Raises:
            UserError: one is not there, or holds something else.
        """
        for column in column_names(columns) if self.columns is not None else ():
            if not has_column(self.columns or (), column):
                raise UserError(f"{self.name}: no {missing_text('column', column, self.columns or ())}")

    def text_of(self, number: int, row: Row, columns: TextColumns) -> str | None:
        """Return the text of a row, None for null; see :func:`row_text`.

        Raises:
            UserError: it has no such column, or something else there.
        """
        reason = text_problem(row, columns)
        if reason is not None:
            raise self.row_error(number, reason)
        return row_text(row, columns)

    def texts(self, columns: TextColumns) -> Iterator[str]:
        """Yield the text of each row.

        Raises:
            UserError: a row has none.
        """
        for number, row in self:
            text = self.text_of(number, row, columns)
            if text is None:
                raise self.row_error(number, "the text is empty; fill it in, or remove the row")
            yield text

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


def arrow(what: str) -> Any:
    """Import pyarrow.

    Raises:
        UserError: it is not installed.
    """
    with require_extra("parquet", f"{what}: a .parquet file"):
        import pyarrow
        import pyarrow.parquet
    return pyarrow
