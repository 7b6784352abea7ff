"""The reader of tables: a file, or a folder of a data set -> a table on disk. Knows nothing about classes."""

import hashlib
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyhead.errors import UserError, one_line, require_extra
from polyhead.sources.column_choice import choose
from polyhead.sources.pairs import SECOND
from polyhead.sources.records import JOINED, ROW, TEXT, WEIGHT, Columns, records
from polyhead.sources.table_cache import TableCache
from polyhead.sources.tables import Table, check_types
from polyhead.storage.arrow_readers import ArrowRows, ParquetRows
from polyhead.storage.cells import column_names
from polyhead.storage.dialect import Dialect
from polyhead.storage.digests import file_digest_once
from polyhead.storage.row_readers import open_rows
from polyhead.storage.rows import BadRow, RowReader

if TYPE_CHECKING:
    from datasets import Dataset

log = logging.getLogger(__name__)

_FORMAT = 3  # part of every stamp: tables read by another version of this module are read again
DATA_SET = "state.json"
"""The file by which a folder is known that ``Dataset.save_to_disk`` wrote."""

SAVED_SPLITS = "dataset_dict.json"
"""The file by which a folder is known that ``DatasetDict.save_to_disk`` wrote."""


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


def read(
    path: Path, columns: Columns, dialect: Dialect, cache: TableCache, missing_values: Sequence[str] = ()
) -> Table:
    """Read a file into a memory-mapped table; a file of the same content is read once only.

    Args:
        path: of a file of any format, or of a folder that ``Dataset.save_to_disk`` wrote.
        columns: those to read.
        dialect: how the text of a CSV, TSV or JSON file is written.
        cache: of the tables.
        missing_values: labels that stand for no label.

    Raises:
        UserError: the file cannot be read, or rows of it cannot be sentences, one problem per line.
    """
    datasets = datasets_library()
    try:
        if path.is_dir():
            return _saved_table(path, columns, missing_values)
        with open_rows(str(path), dialect=dialect) as reader:
            present = present_columns(reader, columns)
            chosen = choose(reader.name, present, columns)
            for note in reader.notes:
                log.warning("%s", note)
        settings = {name: value for name, value in asdict(dialect).items() if name != "sheet" or value is not None}
        free = sorted(set(columns.free) & set(chosen.values()))
        identity = [_FORMAT, str(path.resolve()), file_digest_once(path), settings, chosen, *([free] if free else [])]
        stamp = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
        if isinstance(reader, ParquetRows | ArrowRows):
            outer = [column if column in present else column.partition(".")[0] for column in chosen]
            rows, held = _arrow_table(path, list(dict.fromkeys(outer)), cache, stamp), chosen
            check_types(rows, chosen, str(path), free)
        else:
            rows, held = _text_table(path, chosen, dialect, cache, stamp, free)
            held = held if reader.columns else _without_empty_keys(rows, held)
        known = reader.columns or _first_keys(path, dialect)
        numbered = not isinstance(reader, ParquetRows | ArrowRows)
        return Table(str(path), rows, held, stamp, numbered, known, missing_values, free)
    except (datasets.exceptions.DatasetGenerationError, OSError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, UserError):
            raise cause from error
        raise UserError(f"{path}: {one_line(cause)}") from error


def present_columns(reader: RowReader, columns: Columns) -> Sequence[str]:
    """Return the columns that a file may have.

    Raises:
        UserError: a Parquet file has no row, or a column of the texts is not there or holds something else.
    """
    if isinstance(reader, ParquetRows) and not len(reader):
        raise UserError(f"{reader.name}: no row with a sentence")
    reader.check(columns.text)
    # In JSON a key may be missing from the first row and stand in the next.
    others = [column for column in (columns.weight, columns.pair) if column is not None]
    labels = [column for given in columns.labels.values() for column in column_names(given)]
    return reader.columns or [*column_names(columns.text), *labels, *others]


def _without_empty_keys(rows: "Dataset", held: Mapping[str, str]) -> dict[str, str]:
    """Return the columns without those of labels that no row of a JSON file has: it has no such key."""
    empty = [name for name in held if rows.data.column(name).null_count == len(rows)]
    return {name: ours for name, ours in held.items() if name not in empty or ours in (TEXT, SECOND, WEIGHT)}


def _first_keys(path: Path, dialect: Dialect) -> list[str]:
    """Return the keys of the first row, for hints."""
    with open_rows(str(path), dialect=dialect) as reader:
        rows = (row for _, row in reader.good_and_bad_rows() if not isinstance(row, BadRow))
        return list(next(rows, {}))


def _saved_table(path: Path, columns: Columns, missing_values: Sequence[str]) -> Table:
    """Open a folder of ``Dataset.save_to_disk``, which is a table on disk already."""
    rows = datasets_library().load_from_disk(str(path))
    chosen = choose(str(path), rows.column_names, columns)
    check_types(rows, chosen, str(path), columns.free)
    present = rows.column_names
    return Table(str(path), rows, chosen, rows._fingerprint, False, present, missing_values, columns.free)


def _arrow_table(path: Path, columns: list[str], cache: TableCache, stamp: str) -> "Dataset":
    def build(folder: Path) -> "Dataset":
        if path.suffix.lower() == ".parquet":
            # The library takes a path for a pattern, and brackets may be part of a name.
            rows: Dataset = datasets_library().Dataset.from_parquet(
                escape(str(path)), columns=columns, cache_dir=str(folder)
            )
            return rows
        return _copied(path, columns, folder)

    return cache.get(stamp, build, {"data": str(path)})


def _copied(path: Path, columns: Sequence[str], folder: Path) -> "Dataset":
    """Copy columns of an Arrow file of either format into the stream that tables are kept in."""
    import pyarrow as pa

    with open_rows(str(path)) as reader:
        if not isinstance(reader, ArrowRows):
            raise UserError(f"{path}: no Arrow file")
        fields = [reader.schema.field(column) for column in columns]
        schema = pa.schema(fields, reader.schema.metadata)
        with pa.OSFile(str(folder / "copy.arrow"), "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
            for batch in reader.batches():
                stream.write_batch(batch.select(columns).cast(schema))
    rows: Dataset = datasets_library().Dataset.from_file(str(folder / "copy.arrow"))
    if not len(rows):
        raise UserError(f"{path}: no row with a sentence")
    return rows


def _text_table(
    path: Path, columns: Mapping[str, str], dialect: Dialect, cache: TableCache, stamp: str, free: Sequence[str]
) -> tuple["Dataset", dict[str, str]]:
    ours = list(dict.fromkeys(columns.values()))

    def build(folder: Path) -> "Dataset":
        datasets = datasets_library()
        text = datasets.Value("string")
        notes = {ROW: datasets.Value("int64"), JOINED: datasets.Value("bool")}
        rows: Dataset = datasets.Dataset.from_generator(
            records,
            features=datasets.Features({**notes, TEXT: text, **dict.fromkeys(ours, text)}),
            cache_dir=str(folder),
            # A tuple, since the library divides a list among several generators.
            gen_kwargs={"path": path, "dialect": dialect, "columns": columns, "free": tuple(free)},
            fingerprint=stamp,
        )
        return rows

    return cache.get(stamp, build, {"data": str(path)}), {name: name for name in ours}
