"""Rows: what a table of texts holds, and what any reader of one does. Knows nothing about formats."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from polyhead.errors import UserError, require_extra
from polyhead.storage.input import InputFile

Row = dict[str, Any]


class RowReader(ABC):
    """The rows of a file, which may be compressed by gzip; a context manager.

    Args:
        name: of the file, or ``-`` for standard input.

    Raises:
        UserError: the file cannot be opened.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.input = InputFile(name)
        self.stream = self.input.stream

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows, each with a value a column.

        Raises:
            UserError: a row is damaged, or the file cannot be read to its end.
        """
        with self.input.reading():
            yield from self.rows()

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Yield the rows."""

    def __enter__(self) -> "RowReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.input.close()

    @property
    def size(self) -> int | None:
        """Bytes there are to read; None where nobody knows."""
        return self.input.size

    @property
    def position(self) -> int | None:
        """Bytes read so far."""
        return self.input.position

    @property
    def columns(self) -> Sequence[str] | None:
        """The names of the columns; None where only the rows tell.

        Raises:
            UserError: there is no header, or it does not tell the columns apart.
        """
        return None

    @property
    def schema(self) -> Any:
        """The Arrow schema of the columns, where the file has one."""
        return None

    def check(self, column: str) -> None:
        """Refuse a column that is not there, as far as the columns are known before the rows.

        Raises:
            UserError: it is not there.
        """
        if self.columns is not None and column not in self.columns:
            names = ", ".join(self.columns)
            raise UserError(f"text: {self.name} has no column {column!r}; it has {names}: set text=COLUMN")

    def problem(self, line: int, what: str) -> UserError:
        """Make the error that tells what is wrong with a line."""
        return UserError(f"input: line {line} of {self.name} {what}")

    def distinct(self, columns: Sequence[str]) -> Sequence[str]:
        """Return the names of columns.

        Raises:
            UserError: two have one name: the values of one would be lost.
        """
        for name, count in Counter(columns).items():
            if count > 1:
                raise UserError(f"input: {self.name} has {count} columns called {name!r}; give each a name of its own")
        return columns


def text_of(row: Row, column: str, number: int) -> str:
    """Return the text of the row of that number, counted from 1.

    Raises:
        UserError: it has no such column, or no text there.
    """
    text = row.get(column)
    if not isinstance(text, str):
        if column in row:
            raise UserError(f"input: row {number} has no text but {text!r} in the column {column!r}")
        raise UserError(f"text: row {number} has no column {column!r}; it has {', '.join(row)}: set text=COLUMN")
    return text


def arrow(what: str) -> Any:
    """Import pyarrow.

    Raises:
        UserError: it is not installed.
    """
    with require_extra("parquet", f"{what}: a .parquet file"):
        import pyarrow
        import pyarrow.parquet
    return pyarrow
