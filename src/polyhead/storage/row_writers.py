"""Row files: rows written as they come, as CSV, JSONL or Parquet. Knows nothing about the meaning of the columns."""

import csv
import json
import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from math import isfinite
from pathlib import Path
from typing import Any, Self, TextIO

from polyhead.errors import UserError, one_line
from polyhead.storage.output import OutputFile, check_output
from polyhead.storage.rows import Row, arrow

STANDARD_OUTPUT = "-"
_ENDINGS = (".csv", ".jsonl", ".parquet")


class RowFile(OutputFile):
    """A file that takes rows."""

    @abstractmethod
    def append(self, rows: Sequence[Row]) -> None:
        """Append one row or more.

        Raises:
            UserError: a row does not fit the first ones, where the format requires that, or cannot be written.
        """


class JsonLinesFile(RowFile):
    """One JSON object per line."""

    file: TextIO

    def open(self) -> None:
        """Open the file."""
        self.file = self.partial.open("w", encoding="utf-8")

    def append(self, rows: Sequence[Row]) -> None:
        """Append one line per row."""
        lines = [_json_line(row) for row in rows]
        with self.writing():
            self.file.writelines(lines)

    def close(self) -> None:
        """Complete the file."""
        self.file.close()


class StandardOutput(JsonLinesFile):
    """JSON lines on standard output, which has no name to take at the end.

    Raises:
        UserError: it is closed.
    """

    def __init__(self) -> None:
        super().__init__(Path(STANDARD_OUTPUT))
        if sys.stdout is None:
            raise UserError("output: standard output is closed; give a file")
        self.file = sys.stdout

    @contextmanager
    def opened(self) -> Iterator[Self]:
        """Write what is still in the buffer at the end of the block."""
        yield self
        with self.writing():
            self.file.flush()


class CsvFile(RowFile):
    """Comma-separated values with a header; lists and other objects are written as JSON.

    Args:
        path: of the file.
        columns: the header of a table without rows; the first row says the columns otherwise.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        super().__init__(path)
        self.columns = columns
        self.writer: csv.DictWriter[str] | None = None

    def open(self) -> None:
        """Open the file."""
        self.file = self.partial.open("w", encoding="utf-8", newline="")

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows.

        Raises:
            UserError: a row has other columns than the first.
        """
        with self.writing():
            writer = self.writer or self._begin(list(rows[0]))
        _check_columns(rows, set(writer.fieldnames))
        cells = [{name: _cell(value) for name, value in row.items()} for row in rows]
        with self.writing():
            writer.writerows(cells)

    def close(self) -> None:
        """Complete the file; without any row it has a header."""
        with self.file:
            if self.writer is None and self.columns:
                self._begin(self.columns)

    def _begin(self, columns: Sequence[str]) -> "csv.DictWriter[str]":
        self.writer = csv.DictWriter(_UnixLines(self.file), columns)
        self.writer.writeheader()
        return self.writer


class _UnixLines:
    """Ends the lines of a csv writer as Unix does; before Python 3.13 it quotes a carriage return only if its own do.

    Args:
        file: takes the lines.
    """

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, line: str) -> None:
        """Write a line."""
        self.file.write(line.removesuffix("\r\n") + "\n")


class ParquetFile(RowFile):
    """One row group per sequence of rows that is appended.

    Args:
        path: of the file.
        types: Arrow types by column, where they are known; the others follow from the first rows.
        columns: those of a table without rows, as far as their types are known.
    """

    def __init__(self, path: Path, types: Mapping[str, Any], columns: Sequence[str]) -> None:
        super().__init__(path)
        self.arrow = arrow("output")
        self.types = types
        self.columns = columns
        self.writer: Any = None

    def open(self) -> None:
        """Make the file; its writer needs the types of the first rows."""
        self.partial.touch()

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows as a row group.

        Raises:
            UserError: a row has other columns than the first, or a column changes its type.
        """
        _check_columns(rows, set(self.writer.schema.names if self.writer else rows[0]))
        try:
            with self.writing():
                writer = self.writer or self._begin(self._schema_of(rows))
            table = self.arrow.Table.from_pylist(rows, schema=writer.schema)
            with self.writing():
                writer.write_table(table)
        except (self.arrow.ArrowInvalid, self.arrow.ArrowTypeError) as error:
            reason = one_line(error)
            raise UserError(f"output: a Parquet column has one type ({reason}); write .jsonl instead") from error

    def close(self) -> None:
        """Write the footer; without any row, that of an empty table."""
        if self.writer is None:
            known = [(name, self.types[name]) for name in self.columns if name in self.types]
            self._begin(self.arrow.schema(known))
        self.writer.close()

    def _schema_of(self, rows: Sequence[Row]) -> Any:
        inferred = self.arrow.Table.from_pylist(rows).schema
        return self.arrow.schema([(field.name, self.types.get(field.name, field.type)) for field in inferred])

    def _begin(self, schema: Any) -> Any:
        self.writer = self.arrow.parquet.ParquetWriter(self.partial, schema)
        return self.writer


def open_row_file(
    name: str, overwrite: bool, types: Mapping[str, Any], columns: Sequence[str] = ()
) -> AbstractContextManager[RowFile]:
    """Open a file for rows; the ending of its name says the format.

    Args:
        name: of the file; ``-`` writes JSONL to standard output.
        overwrite: replace a file of that name.
        types: Arrow types by column, for Parquet.
        columns: those of a table without rows.

    Raises:
        UserError: an unknown ending, a file that is there already, a folder that is not there or not writable, or a
            standard output that is closed.
    """
    if name == STANDARD_OUTPUT:
        return StandardOutput().opened()
    path = Path(name)
    check_output(path, _ENDINGS, overwrite)
    if path.suffix == ".parquet":
        return ParquetFile(path, types, columns).opened()
    file = CsvFile(path, columns) if path.suffix == ".csv" else JsonLinesFile(path)
    return file.opened()


def _check_columns(rows: Sequence[Row], columns: set[str]) -> None:
    for row in rows:
        if row.keys() != columns:
            other = ", ".join(sorted(row.keys() ^ columns))
            raise UserError(f"output: the rows differ in the columns {other}; write .jsonl instead")


def _json_line(row: Row) -> str:
    """Write a row as a line; JSON has no word for NaN and infinities, which Parquet may hold, so they are null."""
    try:
        return json.dumps(row, ensure_ascii=False, default=str, allow_nan=False) + "\n"
    except ValueError:
        return json.dumps(_finite(row), ensure_ascii=False, default=str) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _cell(value: Any) -> Any:
    return json.dumps(value, default=str) if isinstance(value, list | tuple | dict) else value
