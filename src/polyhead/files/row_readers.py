"""Rows: what a table of texts holds, read row by row from lines of text, CSV, JSONL or Parquet.

Knows nothing about models or writing.
"""

import csv
import io
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from polyhead.errors import UserError, needing

Row = dict[str, Any]
STANDARD_INPUT = "-"
_LONGEST_FIELD = 2**31 - 1  # bytes of a CSV field; the csv module stops at 131,072 unless told
_PARQUET_ROWS = 4096  # read at a time


class RowReader(ABC):
    """The rows of a file; a context manager.

    Args:
        name: of the file, or ``-`` for standard input.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.stream = self._open()

    @abstractmethod
    def __iter__(self) -> Iterator[Row]:
        """Yield the rows, each with a value a column."""

    def __enter__(self) -> "RowReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def _open(self) -> BinaryIO:
        return sys.stdin.buffer if self.name == STANDARD_INPUT else Path(self.name).open("rb")

    @property
    def size(self) -> int | None:
        """Bytes there are to read; None where nobody knows."""
        return None if self.name == STANDARD_INPUT else Path(self.name).stat().st_size

    @property
    def position(self) -> int | None:
        """Bytes read so far."""
        return None if self.name == STANDARD_INPUT else self.stream.tell()

    @property
    def schema(self) -> Any:
        """The Arrow schema of the columns, where the file has one."""
        return None

    def _problem(self, line: int, what: str) -> UserError:
        return UserError(f"input: line {line} of {self.name} {what}")


class TextLines(RowReader):
    """A text a line; an empty line is an empty text, so that rows stay in step."""

    def __iter__(self) -> Iterator[Row]:
        """Yield a row with the column ``text`` for each line."""
        for number, line in enumerate(self.stream, start=1):
            yield {"text": self.decode(line, number).rstrip("\r\n")}

    def decode(self, line: bytes, number: int) -> str:
        """Decode a line, without the mark that some programs put at the start of a file.

        Raises:
            UserError: it is not UTF-8.
        """
        try:
            return line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise self._problem(number, f"is not UTF-8 ({error.reason}); convert the file") from error


class JsonLines(TextLines):
    """An object a line."""

    def __iter__(self) -> Iterator[Row]:
        """Yield each line's object.

        Raises:
            UserError: a line that is not a JSON object.
        """
        for number, line in enumerate(self.stream, start=1):
            text = self.decode(line, number)
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except ValueError as error:
                raise self._problem(number, f"is not JSON ({error})") from error
            if not isinstance(row, dict):
                raise self._problem(number, 'is not a JSON object, as {"text": "..."}')
            yield row


class CsvRows(RowReader):
    """Comma-separated values with a header."""

    def __iter__(self) -> Iterator[Row]:
        """Yield a row with a text a column.

        Raises:
            UserError: not UTF-8, no CSV, or a row with more or fewer values than the header.
        """
        csv.field_size_limit(_LONGEST_FIELD)
        # Kept, because the wrapper closes the stream when it is thrown away.
        self.text = io.TextIOWrapper(self.stream, encoding="utf-8-sig", newline="")
        reader = csv.DictReader(self.text, strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    raise self._problem(reader.line_num, "has more or fewer values than the header")
                yield row
        except UnicodeDecodeError as error:
            raise self._problem(reader.line_num + 1, f"or a later one is not UTF-8 ({error.reason})") from error
        except csv.Error as error:
            raise self._problem(reader.line_num, f"is no CSV ({error})") from error


class ParquetRows(RowReader):
    """An Arrow table on disk.

    Raises:
        UserError: pyarrow is not installed, standard input was given, or the file is no Parquet.
    """

    def __init__(self, name: str) -> None:
        if name == STANDARD_INPUT:
            raise UserError("input: Parquet cannot be read from standard input; give a file")
        super().__init__(name)
        parquet = arrow("input").parquet
        try:
            self.file: Any = parquet.ParquetFile(self.stream)
        except (OSError, ValueError) as error:
            self.stream.close()
            raise UserError(f"input: {name} is no Parquet file ({_one_line(error)})") from error

    def __iter__(self) -> Iterator[Row]:
        """Yield a row with a value a column."""
        for batch in self.file.iter_batches(batch_size=_PARQUET_ROWS):
            yield from batch.to_pylist()

    @property
    def schema(self) -> Any:
        """The Arrow schema of the columns."""
        return self.file.schema_arrow


READERS: dict[str, type[RowReader]] = {"txt": TextLines, "csv": CsvRows, "jsonl": JsonLines, "parquet": ParquetRows}


def open_rows(name: str, kind: str) -> RowReader:
    """Open a table.

    Args:
        name: of a file, or ``-`` for standard input.
        kind: ``txt``, ``csv``, ``jsonl`` or ``parquet``; ``auto`` goes by the ending of the name, and takes standard
            input and unknown endings for lines of text.

    Raises:
        UserError: an unknown kind, no such file, or one that is not of its kind.
    """
    if kind == "auto":
        ending = Path(name).suffix.removeprefix(".").lower()
        kind = ending if ending in READERS else "txt"
    if kind not in READERS:
        raise UserError(f"input_format: unknown {kind!r}; valid: auto, {', '.join(READERS)}")
    if name != STANDARD_INPUT and not Path(name).is_file():
        raise UserError(f"input: no file {name!r}; give a file, or - for standard input")
    return READERS[kind](name)


def arrow(what: str) -> Any:
    """Import pyarrow.

    Raises:
        UserError: it is not installed.
    """
    with needing("parquet", f"{what}: a .parquet file"):
        import pyarrow
        import pyarrow.parquet
    return pyarrow


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
