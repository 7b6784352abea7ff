"""Reading: one file of labelled sentences -> a table in Arrow, memory-mapped. Knows nothing about classes or splits."""

import hashlib
import json
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyhead.errors import UserError, did_you_mean, require_extra
from polyhead.sources.records import ROW, Layout, header, kind, records

if TYPE_CHECKING:
    from datasets import Dataset
    from pyarrow import Array, RecordBatch, Scalar

_FORMAT = 1  # part of every stamp: tables read by another version of this module are not taken
_CHUNK = 8192  # rows looked at together
_SHOWN = 80  # characters of a cell that is told


class Table:
    """The sentences of one file, on disk; nothing of it stays in memory or mapped between two looks.

    Args:
        name: of the file, as it was given.
        rows: as they were read.
        columns: those to be looked at -> ``text``, or the task whose labels they hold.
        stamp: changes whenever the content does.
        numbered: there is a column ``ROW`` with the row in the file, where rows cannot simply be counted.
    """

    def __init__(
        self, name: str, rows: "Dataset", columns: Mapping[str, str], stamp: str, numbered: bool = False
    ) -> None:
        self.name = name
        self.columns = columns
        self.stamp = stamp
        self.tasks = [ours for ours in columns.values() if ours != "text"]
        self.numbered = numbered
        self._size = len(rows)
        self._features = rows.features
        self._files = [file["filename"] for file in rows.cache_files]
        self._held = None if self._files else rows.data  # made in memory

    def __len__(self) -> int:
        return self._size

    def row(self, index: int) -> int:
        """Return the row in the file of the table's sentence ``index``."""
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
        """Yield all rows, read from disk: the pages of a mapping would stay in memory after one look."""
        import pyarrow as pa

        if self._held is not None:
            yield from self._held.to_batches()
        for file in self._files:
            with pa.OSFile(file) as stored, pa.ipc.open_stream(stored) as stream:
                yield from stream

    def _checked_texts(self, column: str, array: "Array", before: int) -> "Array":
        """Return the texts of a column, of which there are ``before`` cells before ``array``."""
        import pyarrow as pa

        try:
            texts = self._texts(column, array)
            texts.validate(full=True)  # Parquet takes any bytes for text
        except pa.ArrowInvalid as error:
            for i in range(len(array)) if len(array) > 1 else ():  # Arrow does not say where
                self._checked_texts(column, array.slice(i, 1), before + i)
            rule = "the text must be" if self.columns[column] == "text" else "a label must be a whole number or"
            raise UserError(
                f"{self.name} row {self.row(before)}: {column} is {_spelt(array[0])}; {rule} text in UTF-8"
            ) from error
        return texts

    def _texts(self, name: str, array: "Array") -> "Array":
        import pyarrow as pa
        from pyarrow import compute

        if self.columns[name] == "text":
            return array.cast(pa.large_string())
        names = getattr(self._features[name], "names", None)
        if names is not None:  # class indices, with the names beside them; hub data mark a missing one by -1
            array = pa.array([*names, None]).take(compute.if_else(compute.less(array, 0), len(names), array))
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_floating(array.type):  # whole numbers with gaps, as pandas holds them
            array = compute.if_else(compute.is_nan(array), None, array).cast(pa.int64())
        trimmed = compute.utf8_trim_whitespace(array.cast(pa.large_string()))
        return compute.if_else(compute.equal(trimmed, ""), None, trimmed)


def _spelt(cell: "Scalar") -> str:
    """Return the start of a cell as Python writes it, bytes where it is no text."""
    try:
        return repr(cell.as_py())[:_SHOWN]
    except UnicodeDecodeError:
        return repr(cell.as_buffer().to_pybytes())[:_SHOWN]


def datasets_library() -> Any:
    """Import Hugging Face datasets.

    Raises:
        UserError: it is not installed.
    """
    with require_extra("data", "data: reading files"):
        import datasets
    if not sys.stderr.isatty():  # its bars are for a person who waits
        datasets.disable_progress_bars()
    return datasets


def read(path: Path, layout: Layout, cache: Path) -> Table:
    """Read a file into a memory-mapped table; an unchanged file is read once only.

    Args:
        path: of a CSV, TSV, JSONL or Parquet file.
        layout: which columns to read.
        cache: folder of the tables.

    Raises:
        UserError: the file cannot be read, or rows of it cannot be sentences, one problem a line.
    """
    datasets = datasets_library()
    try:
        state = path.stat()
        columns = _present(path, _columns(path, layout), layout)
    except (OSError, EOFError, zlib.error) as error:  # gzip raises EOFError for a file that was cut off
        raise UserError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    identity = [_FORMAT, str(path.resolve()), state.st_mtime_ns, state.st_size, asdict(layout), columns]
    stamp = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
    try:
        if kind(path) == ".parquet":
            # datasets takes a path for a pattern, and brackets may be part of a name.
            rows = datasets.Dataset.from_parquet(escape(str(path)), columns=list(columns), cache_dir=str(cache))
            check_types(rows, columns, str(path))
            return Table(str(path), rows, columns, stamp)
        features = {ROW: datasets.Value("int64"), **dict.fromkeys(columns.values(), datasets.Value("string"))}
        rows = datasets.Dataset.from_generator(
            records,
            features=datasets.Features(features),
            cache_dir=str(cache),
            gen_kwargs={"path": path, "layout": layout, "columns": columns},
            fingerprint=stamp,
        )
    except (datasets.exceptions.DatasetGenerationError, OSError) as error:
        cause = error.__cause__ or error
        raise (
            cause if isinstance(cause, UserError) else UserError(f"{path}: {' '.join(str(cause).split())}")
        ) from error
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
        fine = (
            held in ("string", "large_string", "string_view")
            if ours == "text"
            else not held.startswith(("List", "{", "time"))
        )
        if not fine:
            rule = "the text must be text" if ours == "text" else "labels must be text or whole numbers"
            raise UserError(f"{name}: the column {column!r} holds {held}; {rule}")


def choose(name: str, present: list[str], layout: Layout) -> dict[str, str]:
    """Return which of a table's columns to read, as ``{its column: ours}``.

    Raises:
        UserError: the text's column is not there, or stands there twice.
    """
    if layout.text not in present:
        raise UserError(f"{name}: no column {layout.text!r} for the text; {did_you_mean(layout.text, present)}")
    columns = {layout.text: "text"} | {column: task for task, column in layout.columns.items() if column in present}
    doubled = [column for column in columns if present.count(column) > 1]
    if doubled:
        raise UserError(f"{name}: the column {doubled[0]!r} stands there twice; rename one")
    return columns


def _present(path: Path, present: list[str], layout: Layout) -> dict[str, str]:
    if kind(path) == ".jsonl":  # a key may be missing from the first line and stand in the next
        return {layout.text: "text"} | {column: task for task, column in layout.columns.items()}
    return choose(str(path), present, layout)


def _columns(path: Path, layout: Layout) -> list[str]:
    """Return the names of a file's columns; none for JSONL."""
    if kind(path) == ".jsonl":
        return []
    if kind(path) == ".parquet":
        from pyarrow import ArrowInvalid, parquet

        try:
            metadata = parquet.read_metadata(path)
        except ArrowInvalid as error:
            raise UserError(f"{path}: no Parquet file ({error})") from error
        if not metadata.num_rows:
            raise UserError(f"{path}: no row with a sentence")
        return list(metadata.schema.to_arrow_schema().names)
    return header(path, layout)
