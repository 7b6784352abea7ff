"""The reader of Parquet files. Knows nothing about the meaning of the columns."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from polyhead.errors import UserError, one_line
from polyhead.storage.rows import LONGEST_CELL, BadRow, Dialect, Row, RowReader, arrow

_ROWS = 4096  # read together


class ParquetRows(RowReader):
    """An Arrow table on disk.

    Raises:
        UserError: pyarrow is not installed, a pipe is given, or the file is no Parquet.
    """

    def __init__(self, name: str, dialect: Dialect) -> None:
        super().__init__(name, dialect)
        if not self.input.regular:
            raise UserError("input: Parquet cannot be read from standard input or a pipe; give a file")
        try:
            self.file: Any = arrow("input").parquet.ParquetFile(self.input.stream)
        except (OSError, ValueError) as error:
            self.close()
            raise UserError(f"{name}: no Parquet file ({one_line(error)})") from error

    def __len__(self) -> int:
        return int(self.file.metadata.num_rows)

    def parsed(self) -> Iterator[tuple[int, Row | BadRow]]:
        """Yield a row with one value per column.

        Raises:
            UserError: the data behind the schema are damaged.
        """
        number = 0
        try:
            for batch in self.file.iter_batches(batch_size=_ROWS):
                for row in _rows(batch):
                    number += 1
                    yield number, row
        except ValueError as error:
            raise UserError(f"{self.name}: a damaged Parquet file ({one_line(error)})") from error

    @cached_property
    def columns(self) -> Sequence[str] | None:
        """The names in the schema.

        Raises:
            UserError: two columns have one name.
        """
        names: list[str] = self.schema.names
        return self.distinct(names)

    @property
    def schema(self) -> Any:
        """The Arrow schema of the columns."""
        return self.file.schema_arrow

    def check(self, column: str) -> None:
        """Refuse a column that is not there or holds something other than text."""
        super().check(column)
        held = str(self.schema.field(column).type)
        if held not in ("string", "large_string", "string_view"):
            raise UserError(f"{self.name}: the column {column!r} holds {held}; the text must be text")


def _rows(batch: Any) -> list[Row | BadRow]:
    """Return the rows of a batch; Parquet takes any bytes for text, so one may be bad."""
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError:
        return [_row(batch, index) for index in range(batch.num_rows)]


def _row(batch: Any, index: int) -> Row | BadRow:
    row = {}
    for name in batch.schema.names:
        cell = batch.column(name)[index]
        try:
            row[name] = cell.as_py()
        except UnicodeDecodeError:
            return BadRow(f"{name} is {spell(cell)}; it must be text in UTF-8")
    return row


def spell(cell: Any) -> str:
    """Return the start of an Arrow cell as Python writes it, as bytes where it is no text."""
    try:
        return repr(cell.as_py())[:LONGEST_CELL]
    except UnicodeDecodeError:
        return repr(cell.as_buffer().to_pybytes())[:LONGEST_CELL] if hasattr(cell, "as_buffer") else "no text"
