"""Tables: the sentences of one file in Arrow, memory-mapped. Knows nothing about classes or splits."""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyhead.errors import UserError, one_line, require_extra
from polyhead.sources.records import ROW, TEXT, Columns, records
from polyhead.sources.table_cache import TableCache
from polyhead.storage.parquet_reader import ParquetRows, spell
from polyhead.storage.row_readers import open_rows
from polyhead.storage.rows import Dialect, RowReader, missing_text

if TYPE_CHECKING:
    from datasets import Dataset
    from pyarrow import Array, RecordBatch

_FORMAT = 2  # part of every stamp: tables read by another version of this module are read again
_CHUNK = 8192  # rows looked at together


class Table:
    """The sentences of one file, on disk; nothing of it stays in memory or mapped between two passes.

    Args:
        name: of the file, as it was given.
        rows: as they were read.
        columns: its columns to be looked at -> ``TEXT``, or the task whose labels they hold.
        stamp: changes whenever the content does.
        numbered: the column ``ROW`` has the number of the row in the file; otherwise rows count from 1.
    """

    def __init__(
        self, name: str, rows: "Dataset", columns: Mapping[str, str], stamp: str, numbered: bool = False
    ) -> None:
        self.name = name
        self.columns = columns
        self.stamp = stamp
        self.tasks = [ours for ours in columns.values() if ours != TEXT]
        self.numbered = numbered
        self._size = len(rows)
        self._features = rows.features
        self._files = [file["filename"] for file in rows.cache_files]
        self._in_memory = None if self._files else rows.data

    def __len__(self) -> int:
        return self._size

    def row(self, index: int) -> int:
        """Return the number of a sentence's row in the file.

        Args:
            index: of the sentence in the table, from 0.
        """
        if not self.numbered:
            return index + 1
        for batch in self._batches():
            if index < batch.num_rows:
                return int(batch.column(ROW)[index].as_py())
            index -= batch.num_rows
        raise IndexError(index)

    def chunks(self) -> Iterator[dict[str, "Array"]]:
        """Yield its columns as arrays of texts, a few thousand rows at a time; a missing label is null.

        Raises:
            UserError: a cell that is no text, such as 0.5 or bytes that are not UTF-8.
        """
        done = 0
        for batch in self._batches():
            for start in range(0, batch.num_rows, _CHUNK):
                part = batch.slice(start, _CHUNK)
                yield {
                    ours: self._checked_texts(column, part.column(column), done)
                    for column, ours in self.columns.items()
                }
                done += part.num_rows

    def _batches(self) -> Iterator["RecordBatch"]:
        """Yield all rows, read from disk: the pages of a mapping would stay in memory after the pass."""
        import pyarrow as pa

        if self._in_memory is not None:
            yield from self._in_memory.to_batches()
        for file in self._files:
            with pa.OSFile(file) as stored, pa.ipc.open_stream(stored) as stream:
                yield from stream

    def _checked_texts(self, column: str, array: "Array", before: int) -> "Array":
        """Return the texts of a part of a column that has ``before`` cells before it."""
        import pyarrow as pa

        try:
            texts = self._texts(column, array)
            texts.validate(full=True)  # Parquet takes any bytes for text
        except pa.ArrowInvalid as error:
            for index in range(len(array)) if len(array) > 1 else ():  # Arrow does not say where
                self._checked_texts(column, array.slice(index, 1), before + index)
            rule = "it must be" if self.columns[column] == TEXT else "a label must be a whole number or"
            raise UserError(
                f"{self.name} row {self.row(before)}: {column} is {spell(array[0])}; {rule} text in UTF-8"
            ) from error
        return texts

    def _texts(self, column: str, array: "Array") -> "Array":
        import pyarrow as pa
        from pyarrow import compute

        if self.columns[column] == TEXT:
            return array.cast(pa.large_string())
        names = getattr(self._features[column], "names", None)
        if names is not None:  # class indices with their names; hub data sets mark a missing label by -1
            named = compute.if_else(compute.less(array, 0), len(names), array)
            array = pa.array([*names, None]).take(named)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_floating(array.type):  # whole numbers with gaps, as pandas holds them
            array = compute.if_else(compute.is_nan(array), None, array).cast(pa.int64())
        trimmed = compute.utf8_trim_whitespace(array.cast(pa.large_string()))
        return compute.if_else(compute.equal(trimmed, ""), None, trimmed)


def datasets_library() -> Any:
    """Import Hugging Face datasets.

    Raises:
        UserError: it is not installed.
    """
    with require_extra("data", "data: reading files"):
        import datasets
    if not sys.stderr.isatty():  # its progress bars are for a person who waits
        datasets.disable_progress_bars()
    return datasets


def read(path: Path, columns: Columns, dialect: Dialect, cache: TableCache) -> Table:
    """Read a file into a memory-mapped table; an unchanged file is read once only.

    Args:
        path: of a CSV, TSV, JSONL or Parquet file.
        columns: those to read.
        dialect: how the text of a CSV, TSV or JSONL file is written.
        cache: of the tables.

    Raises:
        UserError: the file cannot be read, or rows of it cannot be sentences, one problem per line.
    """
    datasets = datasets_library()
    with open_rows(str(path), dialect=dialect) as reader:
        is_parquet = isinstance(reader, ParquetRows)
        chosen = _present_columns(reader, columns)
    state = path.stat()
    identity = [_FORMAT, str(path.resolve()), state.st_mtime_ns, state.st_size, asdict(dialect), chosen]
    stamp = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
    try:
        if is_parquet:
            return _parquet_table(path, chosen, cache, stamp)
        return _text_table(path, chosen, dialect, cache, stamp)
    except (datasets.exceptions.DatasetGenerationError, OSError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, UserError):
            raise cause from error
        raise UserError(f"{path}: {one_line(cause)}") from error


def _present_columns(reader: RowReader, columns: Columns) -> dict[str, str]:
    """Return which columns of a file to read; see :func:`choose`."""
    if isinstance(reader, ParquetRows) and not len(reader):
        raise UserError(f"{reader.name}: no row with a sentence")
    reader.check(columns.text)
    # In JSONL a key may be missing from the first row and stand in the next.
    present = reader.columns or [columns.text, *columns.labels.values()]
    return choose(reader.name, present, columns)


def _parquet_table(path: Path, columns: Mapping[str, str], cache: TableCache, stamp: str) -> Table:
    def build(folder: Path) -> "Dataset":
        # The library takes a path for a pattern, and brackets may be part of a name.
        rows: Dataset = datasets_library().Dataset.from_parquet(
            escape(str(path)), columns=list(columns), cache_dir=str(folder)
        )
        return rows

    rows = cache.get(stamp, build, {"data": str(path)})
    check_types(rows, columns, str(path))
    return Table(str(path), rows, columns, stamp)


def _text_table(path: Path, columns: Mapping[str, str], dialect: Dialect, cache: TableCache, stamp: str) -> Table:
    def build(folder: Path) -> "Dataset":
        datasets = datasets_library()
        text = datasets.Value("string")
        rows: Dataset = datasets.Dataset.from_generator(
            records,
            features=datasets.Features({ROW: datasets.Value("int64"), **dict.fromkeys(columns.values(), text)}),
            cache_dir=str(folder),
            gen_kwargs={"path": path, "dialect": dialect, "columns": columns},
            fingerprint=stamp,
        )
        return rows

    rows = cache.get(stamp, build, {"data": str(path)})
    return Table(str(path), rows, {ours: ours for ours in columns.values()}, stamp, numbered=True)


def check_types(rows: "Dataset", columns: Mapping[str, str], name: str) -> None:
    """Refuse a ready-made table with columns of a wrong type.

    Args:
        rows: any table.
        columns: see :class:`Table`.
        name: of the table, for messages.

    Raises:
        UserError: the text is no text, or labels are neither text nor whole numbers.
    """
    for column, ours in columns.items():
        held = str(getattr(rows.features[column], "dtype", rows.features[column]))
        if ours == TEXT and held not in ("string", "large_string", "string_view"):
            raise UserError(f"{name}: the column {column!r} holds {held}; the text must be text")
        if ours != TEXT and held.startswith(("List", "{", "time")):
            raise UserError(f"{name}: the column {column!r} holds {held}; labels must be text or whole numbers")


def choose(name: str, present: Iterable[str], columns: Columns) -> dict[str, str]:
    """Return which columns of a table to read, as ``{its column: TEXT or a task}``.

    Raises:
        UserError: the column of the texts is not there.
    """
    names = list(present)
    if columns.text not in names:
        raise UserError(f"{name}: no {missing_text('column', columns.text, names)}")
    labels = {column: task for task, column in columns.labels.items() if column in names}
    return {columns.text: TEXT} | labels
