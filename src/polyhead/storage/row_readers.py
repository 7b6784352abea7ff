"""Row readers: the rows of lines of text, CSV, JSONL or Parquet. Knows nothing about models or writing."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from polyhead.errors import UserError
from polyhead.storage.input import COMPRESSED
from polyhead.storage.rows import Row, RowReader, arrow

_LONGEST_FIELD = 2**31 - 1  # bytes of a CSV field; the csv module stops at 131,072 unless told
_PARQUET_ROWS = 4096  # read at a time


class TextLines(RowReader):
    """A text a line; an empty line is an empty text, so that rows stay in step."""

    @property
    def columns(self) -> Sequence[str] | None:
        """The one column of lines."""
        return ["text"]

    def rows(self) -> Iterator[Row]:
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
            raise self.problem(number, f"is not UTF-8 ({error.reason}); convert the file") from error


class JsonLines(TextLines):
    """An object a line."""

    @property
    def columns(self) -> Sequence[str] | None:
        """Nothing: each object brings its own."""
        return None

    def rows(self) -> Iterator[Row]:
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
                if "\\u" in text:  # the only way in for half of a character, which nothing can write again
                    json.dumps(row, ensure_ascii=False).encode()
            except UnicodeEncodeError as error:
                raise self.problem(number, "has half of a character, as \\ud800 is; mend it") from error
            except (ValueError, RecursionError) as error:
                raise self.problem(number, f"is not JSON ({error})") from error
            if not isinstance(row, dict):
                raise self.problem(number, 'is not a JSON object, as {"text": "..."}')
            yield row


class CsvRows(RowReader):
    """Comma-separated values with a header."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        csv.field_size_limit(_LONGEST_FIELD)
        # Kept, because the wrapper closes the stream when it is thrown away.
        self.text = io.TextIOWrapper(self.stream, encoding="utf-8-sig", newline="")
        self.cells = csv.reader(self.text, strict=True)

    @cached_property
    def columns(self) -> Sequence[str] | None:
        """The names in the first row.

        Raises:
            UserError: there is none, or two columns have one name: the values of one would be lost.
        """
        with self.input.reading(), self._told():
            header = next(self.cells, [])
        if not header:
            raise UserError(f"input: {self.name} is empty; its first row must name the columns")
        return self.distinct(header)

    def rows(self) -> Iterator[Row]:
        """Yield a row with a text a column.

        Raises:
            UserError: not UTF-8, no CSV, or a row with more or fewer values than the header.
        """
        columns = self.columns or ()
        with self._told():
            for cells in filter(None, self.cells):  # a blank line is no row
                if len(cells) != len(columns):
                    raise self.problem(self.cells.line_num, "has more or fewer values than the header")
                yield dict(zip(columns, cells, strict=True))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what cannot be decoded or parsed."""
        try:
            yield
        except UnicodeDecodeError as error:
            line = self.cells.line_num + 1
            raise self.problem(line, f"or a later one is not UTF-8 ({error.reason}); convert the file") from error
        except csv.Error as error:
            raise self.problem(self.cells.line_num, f"is no CSV ({error})") from error


class ParquetRows(RowReader):
    """An Arrow table on disk.

    Raises:
        UserError: pyarrow is not installed, a pipe was given, or the file is no Parquet.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        if not self.input.regular:
            raise UserError("input: Parquet cannot be read from standard input or a pipe; give a file")
        parquet = arrow("input").parquet
        try:
            self.file: Any = parquet.ParquetFile(self.stream)
        except (OSError, ValueError) as error:
            self.input.close()
            raise UserError(f"input: {name} is no Parquet file ({_one_line(error)})") from error

    def rows(self) -> Iterator[Row]:
        """Yield a row with a value a column.

        Raises:
            UserError: what lies behind the schema is damaged.
        """
        try:
            for batch in self.file.iter_batches(batch_size=_PARQUET_ROWS):
                yield from batch.to_pylist()
        except ValueError as error:
            raise UserError(f"input: {self.name} is a damaged Parquet file ({_one_line(error)})") from error

    @cached_property
    def columns(self) -> Sequence[str] | None:
        """The names in the schema.

        Raises:
            UserError: two columns have one name.
        """
        names: list[str] = self.file.schema_arrow.names
        return self.distinct(names)

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
            input and unknown endings for lines of text; ``.gz`` may follow.

    Raises:
        UserError: an unknown kind, no such file, or one that is not of its kind.
    """
    if kind == "auto":
        ending = Path(name.lower().removesuffix(COMPRESSED)).suffix.removeprefix(".")
        kind = ending if ending in READERS else "txt"
    if kind not in READERS:
        raise UserError(f"input_format: unknown {kind!r}; valid: auto, {', '.join(READERS)}")
    return READERS[kind](name)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
