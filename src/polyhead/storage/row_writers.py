"""Row files: rows written as they come, as CSV, JSONL or Parquet. Knows nothing about what the columns mean."""

import csv
import json
import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from polyhead.errors import UserError
from polyhead.storage.output import OutputFile, check_output
from polyhead.storage.rows import Row, arrow

STANDARD_OUTPUT = "-"


class RowFile(OutputFile):
    """A file that takes rows."""

    @abstractmethod
    def append(self, rows: Sequence[Row]) -> None:
        """Write one row or more behind those that were written.

        Raises:
            UserError: a row that does not fit the first ones, where the format wants that.
        """


class JsonLinesFile(RowFile):
    """An object a line; ``-`` writes to standard output."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.shown = str(path) == STANDARD_OUTPUT
        with self.writing():
            self.file: TextIO = sys.stdout if self.shown else self.partial.open("w", encoding="utf-8")

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows behind those that were written."""
        with self.writing():
            self.file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)

    def close(self) -> None:
        """Complete the file."""
        if self.shown:
            self.file.flush()
        else:
            self.file.close()

    def publish(self) -> None:
        """Give the file its name; standard output needs none."""
        if not self.shown:
            super().publish()


class CsvFile(RowFile):
    """Comma-separated values with a header; what is neither text nor number is written as JSON.

    Args:
        path: of the file.
        columns: those of the header if no row comes; with rows these tell.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        super().__init__(path)
        with self.writing():
            self.file = self.partial.open("w", encoding="utf-8", newline="")
        self.columns = columns
        self.writer: csv.DictWriter[str] | None = None

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows behind those that were written.

        Raises:
            UserError: a row with other columns than the first.
        """
        with self.writing():
            writer = self.writer or self._begin(list(rows[0]))
            _check_columns(rows, set(writer.fieldnames))
            writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)

    def close(self) -> None:
        """Complete the file; without any row, a header."""
        with self.file:
            if self.writer is None and self.columns:
                self._begin(self.columns)

    def _begin(self, columns: Sequence[str]) -> "csv.DictWriter[str]":
        self.writer = csv.DictWriter(self.file, columns, lineterminator="\n")
        self.writer.writeheader()
        return self.writer


class ParquetFile(RowFile):
    """A row group for each sequence of rows that was appended.

    Args:
        path: of the file.
        types: Arrow types by column, where they are known; the others follow from the first rows.
        columns: those of the table if no row comes, as far as their types are known; with rows these tell.
    """

    def __init__(self, path: Path, types: Mapping[str, Any], columns: Sequence[str]) -> None:
        super().__init__(path)
        self.arrow = arrow("output")
        self.types = types
        self.columns = columns
        self.writer: Any = None

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows as a row group.

        Raises:
            UserError: a row with other columns than the first, or a column that changes its type.
        """
        _check_columns(rows, set(self.writer.schema.names if self.writer else rows[0]))
        try:
            if self.writer is None:
                inferred = self.arrow.Table.from_pylist(rows).schema
                schema = self.arrow.schema([(field.name, self.types.get(field.name, field.type)) for field in inferred])
                with self.writing():
                    self.writer = self.arrow.parquet.ParquetWriter(self.partial, schema)
            table = self.arrow.Table.from_pylist(rows, schema=self.writer.schema)
            with self.writing():
                self.writer.write_table(table)
        except (self.arrow.ArrowInvalid, self.arrow.ArrowTypeError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"output: a Parquet column has one type ({reason}); write .jsonl instead") from error

    def close(self) -> None:
        """Write the footer; without any row, of an empty table."""
        if self.writer is None:
            known = [(name, self.types[name]) for name in self.columns if name in self.types]
            self.writer = self.arrow.parquet.ParquetWriter(self.partial, self.arrow.schema(known))
        self.writer.close()


def open_row_file(name: str, overwrite: bool, types: Mapping[str, Any], columns: Sequence[str] = ()) -> RowFile:
    """Open a file for rows by the ending of its name.

    Args:
        name: of the file; ``-`` is JSONL on standard output.
        overwrite: replace a file of that name.
        types: Arrow types of columns, for Parquet.
        columns: those of a table without rows.

    Raises:
        UserError: an unknown ending, a file that is there already, a folder that is not there or not writable, or a
            standard output that is closed.
    """
    path = Path(name)
    if name == STANDARD_OUTPUT:
        if sys.stdout is None:
            raise UserError("output: standard output is closed; give a file")
        return JsonLinesFile(path)
    check_output(path, (".csv", ".jsonl", ".parquet"), overwrite)
    if path.suffix == ".parquet":
        return ParquetFile(path, types, columns)
    return CsvFile(path, columns) if path.suffix == ".csv" else JsonLinesFile(path)


def _check_columns(rows: Sequence[Row], columns: set[str]) -> None:
    for row in rows:
        if row.keys() != columns:
            other = ", ".join(sorted(row.keys() ^ columns))
            raise UserError(f"output: the rows differ in the columns {other}; write .jsonl instead")


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value, default=str)
