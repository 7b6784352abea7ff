"""The readers of tables in Arrow: Parquet files and Arrow files. Knows nothing about the meaning of the columns."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from polyhead.errors import UserError, one_line
from polyhead.storage.cells import LONGEST_CELL, TextColumns, column_names
from polyhead.storage.dialect import Dialect
from polyhead.storage.rows import BadRow, Row, RowReader, arrow

_ROWS = 4096  # read together


class ArrowTable(RowReader):
    """A table with a schema.

    Raises:
        UserError: pyarrow is not installed, a pipe is given, or the file is of another kind.
    """

    kind = "Arrow"

    def __init__(self, name: str, dialect: Dialect) -> None:
        super().__init__(name, dialect)
        if not self.input.regular:
            raise UserError(f"input: {self.kind} cannot be read from standard input or a pipe; give a file")
        try:
            self.file: Any = self.open()
        except (OSError, ValueError) as error:
            self.close()
            raise UserError(f"{name}: no {self.kind} file ({one_line(error)})") from error

    def open(self) -> Any:
        """Open the file, and read its schema."""
        raise NotImplementedError

    @property
    def schema(self) -> Any:
        """The Arrow schema of the columns."""
        raise NotImplementedError

    def batches(self) -> Iterator[Any]:
        """Yield all rows, some at a time."""
        raise NotImplementedError

    def parsed(self) -> Iterator[tuple[int, Row | BadRow]]:
        """Yield a row with one value per column.

        Raises:
            UserError: the data behind the schema are damaged.
        """
        number = 0
        try:
            for batch in self.batches():
                for row in _rows(batch):
                    number += 1
                    yield number, row
        except ValueError as error:
            raise UserError(f"{self.name}: a damaged {self.kind} file ({one_line(error)})") from error

    @cached_property
    def columns(self) -> Sequence[str] | None:
        """The names in the schema.

        Raises:
            UserError: two columns have one name.
        """
        names: list[str] = self.schema.names
        return self.distinct(names)

    def check(self, columns: TextColumns) -> None:
        """Refuse columns that are not there or hold something other than text."""
        super().check(columns)
        for column in column_names(columns):
            held = str(column_type(self.schema, column))
            if held not in ("string", "large_string", "string_view"):
                raise UserError(f"{self.name}: the column {column!r} holds {held}; the text must be text")


class ParquetRows(ArrowTable):
    """A Parquet file."""

    kind = "Parquet"

    def __len__(self) -> int:
        return int(self.file.metadata.num_rows)

    def open(self) -> Any:
        """Open the file, and read its footer."""
        return arrow("input").parquet.ParquetFile(self.input.stream)

    @property
    def schema(self) -> Any:
        """The Arrow schema of the columns."""
        return self.file.schema_arrow

    def batches(self) -> Iterator[Any]:
        """Yield all rows, some at a time."""
        yield from self.file.iter_batches(batch_size=_ROWS)


class ArrowRows(ArrowTable):
    """An Arrow file: the stream that Hugging Face datasets keeps, or the file format, which is Feather's, too."""

    def open(self) -> Any:
        """Open the file in the format that it has."""
        ipc = arrow("input").ipc
        try:
            return ipc.open_file(self.input.stream)
        except ValueError:
            self.input.stream.seek(0)
            return ipc.open_stream(self.input.stream)

    @property
    def is_stream(self) -> bool:
        """Whether the batches can be read in their order alone."""
        return not hasattr(self.file, "num_record_batches")

    @property
    def schema(self) -> Any:
        """The Arrow schema of the columns."""
        return self.file.schema

    def batches(self) -> Iterator[Any]:
        """Yield all rows, some at a time."""
        whole = self.file if self.is_stream else map(self.file.get_batch, range(self.file.num_record_batches))
        for batch in whole:
            for start in range(0, batch.num_rows, _ROWS):
                yield batch.slice(start, _ROWS)


def column_type(schema: Any, column: str) -> Any:
    """Return the Arrow type of a column, a nested one by dots.

    Args:
        schema: of Arrow.
        column: its name; the column that it would be nested in is there.
    """
    if column in schema.names:
        return schema.field(column).type
    first, *rest = column.split(".")
    held = schema.field(first).type
    for name in rest:
        index = held.get_field_index(name) if hasattr(held, "get_field_index") else -1
        if index < 0:
            return f"no {name!r}"
        held = held.field(index).type
    return held


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
