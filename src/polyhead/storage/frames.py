"""Frames: tables in memory, of whatever library, as files that a command can read. Imports none of these libraries."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from polyhead.errors import UserError, did_you_mean
from polyhead.storage.class_names import class_names, name_classes
from polyhead.storage.output import write_atomically, write_errors
from polyhead.storage.rows import Row

_LIBRARIES = ("pandas", "polars", "datasets", "pyarrow")
_KINDS = "a path, a frame of pandas or polars, a Dataset, an Arrow table, or a list of dicts"
_BATCH = 1000  # rows


def is_frame(value: object) -> bool:
    """Return whether a value is a table in memory; anything else would be paths."""
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(row, Mapping) for row in value)
    return _library(value) is not None


def write_frame(frame: Any, name: str, columns: Sequence[str], folder: Path, required: Sequence[str] = ()) -> Path:
    """Write columns of a frame as JSON lines, unless an equal file is there already, and return its path.

    The file's name has a digest of what is in it, so that equal frames are one file, and runs of them comparable.

    Args:
        frame: for which :func:`is_frame` holds.
        name: of the parameter that it was given for; the file's name begins with it.
        columns: to be written; others, and those that the frame does not have, are left out.
        folder: of the file; it is made.
        required: columns that the frame must have; of ``body.text`` also one that holds ``text``.

    Raises:
        UserError: a frame of another kind, without rows or a column that it must have, with two of a name, or a cell
            that is no text or number; or the file cannot be written.
    """
    present = frame_columns(frame, name)
    for column in required:
        if column not in present and column.partition(".")[0] not in present:
            raise UserError(f"{name}: no column {column!r}; {did_you_mean(column, present)}")
    read = {part for column in columns for part in (column, column.partition(".")[0])}
    chosen = [column for column in present if column in read]
    if doubled := [column for column in chosen if chosen.count(column) > 1]:
        raise UserError(f"{name}: the column {doubled[0]!r} stands there twice; rename one")
    digest = hashlib.sha256()
    for line in _lines(frame, name, chosen):
        digest.update(line.encode())
    path = folder / f"{name.replace('.', '-')}-{digest.hexdigest()[:12]}.jsonl"
    if path.exists():
        return path
    with write_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
            file.writelines(_lines(frame, name, chosen))
    return path


def frame_columns(frame: Any, name: str) -> list[str]:
    """Return the names of a frame's columns.

    Raises:
        UserError: it has several data sets or no rows, or is of another kind.
    """
    if isinstance(frame, list | tuple):
        return list(dict.fromkeys(str(key) for row in frame for key in row))
    if _library(frame) == "datasets":
        if isinstance(frame, Mapping):
            splits = ", ".join(map(str, frame))
            raise UserError(f"{name}: a DatasetDict given; give one of its data sets by name: {splits}")
        return [str(column) for column in frame.column_names]
    for attribute in ("column_names", "collect_schema", "columns"):  # of Arrow, polars and pandas
        if hasattr(type(frame), attribute):
            named = getattr(frame, attribute)
            return [str(column) for column in (named() if callable(named) else named)]
    raise UserError(f"{name}: {type(frame).__name__} given; it must be {_KINDS}")


def _library(frame: object) -> str | None:
    name = type(frame).__module__.partition(".")[0]
    return name if name in _LIBRARIES else None


def _lines(frame: Any, name: str, columns: Sequence[str]) -> Iterator[str]:
    """Yield the rows as lines of JSON.

    Raises:
        UserError: there is no row, or a cell that JSON does not hold.
    """
    number, classes = 0, _classes(frame, columns)
    for number, row in enumerate(_rows(frame, columns), start=1):
        try:
            cells = {column: _plain(_named(value, classes.get(column))) for column, value in row.items()}
            yield json.dumps(cells, ensure_ascii=False, allow_nan=False) + "\n"
        except (TypeError, ValueError) as error:
            raise UserError(f"{name} row {number}: {error}; give texts and numbers") from error
    if number == 0:
        raise UserError(f"{name}: no rows given")


def _rows(frame: Any, columns: Sequence[str]) -> Iterable[Row]:
    """Return the rows of a frame, with some of its columns."""
    match _library(frame):
        case "pandas":
            named = dict(zip(map(str, frame.columns), frame.columns, strict=True))
            series = [frame[named[column]].tolist() for column in columns]
            return (dict(zip(columns, cells, strict=True)) for cells in zip(*series, strict=True))
        case "polars":
            collected: Any = frame.lazy().select(list(columns)).collect()
            rows: Iterable[Row] = collected.iter_rows(named=True)
            return rows
        case "datasets":
            return _dataset_rows(frame, columns)
        case "pyarrow":
            batches = frame.select(list(columns)).to_batches(max_chunksize=_BATCH)
            return (row for batch in batches for row in batch.to_pylist())
        case _:
            return ({column: row[column] for column in columns if column in row} for row in frame)


def _dataset_rows(dataset: Any, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a data set, with class numbers as they are."""
    for batch in dataset.select_columns(list(columns)).with_format(None).iter(_BATCH):
        for cells in zip(*(batch[column] for column in columns), strict=True):
            yield dict(zip(columns, cells, strict=True))


def _classes(frame: Any, columns: Sequence[str]) -> dict[str, Sequence[str]]:
    """Return the names of classes by column, where a data set has numbers for them."""
    features: Mapping[str, Any] = frame.features if _library(frame) == "datasets" else {}
    found = {column: class_names(features[column]) for column in columns if column in features}
    return {column: names for column, names in found.items() if names is not None}


def _named(cell: Any, classes: Sequence[str] | None) -> Any:
    return cell if classes is None else name_classes(cell, classes)


def _plain(value: Any) -> Any:
    """Return a cell in plain types: what is missing by any library's word for it is None."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if getattr(value, "ndim", 0):  # an array, as pandas has for a list in a Parquet file
        return _plain(value.tolist())
    if type(value).__name__ in ("NAType", "NaTType") or value != value:  # NaN alone differs from itself
        return None
    if isinstance(value, date):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
