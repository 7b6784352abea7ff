"""Shards: files of labelled sentences that are opened one by one, when they are needed. Knows nothing about tokens."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from polyhead.errors import UserError
from polyhead.sources.column_choice import choose
from polyhead.sources.folding import fold
from polyhead.sources.records import TEXT, Columns
from polyhead.sources.rows import Sentence
from polyhead.sources.table_cache import TableCache
from polyhead.sources.table_reader import present_columns, read
from polyhead.sources.tables import Table
from polyhead.storage.arrow_readers import ArrowRows, ParquetRows
from polyhead.storage.cells import column_names
from polyhead.storage.dialect import Dialect
from polyhead.storage.digests import file_digest_once
from polyhead.storage.partials import claim_partial, remove
from polyhead.storage.row_readers import open_rows
from polyhead.storage.rows import BadRow, RowReader
from polyhead.tasks import Task

_FORMAT = 1  # part of every fingerprint: shards read by another version of this module are read again
_EDGE = 65_536  # bytes at either end of a file by which a change is noticed; Parquet keeps its footer there
_SCRATCH_GB = 1e6  # no limit of its own: one shard at a time lies there


@dataclass(frozen=True)
class Shard:
    """A file of sentences; nothing of it is in memory or copied until its sentences are read.

    Args:
        path: of the file.
        rows: that it has, those without a text included.
        columns: to be read.
        dialect: how the text of a CSV, TSV or JSON lines file is written.
        missing_values: labels that stand for no label.
        scratch: folder on a disk with room for a copy of the columns of one shard.
    """

    path: Path
    rows: int
    columns: Columns
    dialect: Dialect
    missing_values: tuple[str, ...]
    scratch: Path

    @property
    def name(self) -> str:
        """The file, as it was given."""
        return str(self.path)

    def fingerprint(self) -> str:
        """Return a text that changes whenever the sentences do; the file is read for it.

        Raises:
            UserError: it is not there any more.
        """
        content = [_FORMAT, self._digest(), asdict(self.dialect), asdict(self.columns), self.missing_values]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def outline(self) -> list[object]:
        """Return what changes with nearly any change of the file, and costs no pass over it: its size and its ends."""
        with self._reading(), self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256(file.read(_EDGE))
            file.seek(max(0, size - _EDGE))
            digest.update(file.read(_EDGE))
        return [self.path.name, size, self.rows, digest.hexdigest()]

    def sentences(self) -> Iterator[Sentence]:
        """Yield the sentences; rows without a text are left out.

        Raises:
            UserError: the file is missing, damaged or another than it was, or a row of it is no sentence.
        """
        with self._table() as table:
            for _, sentence in _rows(table):
                yield sentence

    def unread_label(self, tasks: Sequence[Task]) -> str | None:
        """Return the first row with a label that its task does not have, and what is wrong with it; None if none is."""
        known: dict[tuple[str, str | None], str | None] = {}
        with self._table() as table:
            for index, sentence in _rows(table):
                for task in tasks:
                    cell = task.name, sentence.labels.get(task.name)
                    if cell not in known:
                        known[cell] = _label_problem(task, cell[1])
                    if known[cell] is not None:
                        return f"{self.name} row {table.row(index)}: {task.name}: {known[cell]}"
        return None

    @contextmanager
    def _table(self) -> Iterator[Table]:
        """Read the file into a table that is gone at the end of the block."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        folder, descriptor = claim_partial(self.scratch / "shard", folder=True)
        try:
            with self._reading():
                table = read(self.path, self.columns, self.dialect, _Scratch(str(folder)), self.missing_values)
            if len(table) != self.rows:
                raise UserError(f"{self.name}: {len(table):,} rows, and there were {self.rows:,}; it was changed")
            yield table
        finally:
            remove(folder)
            os.close(descriptor)

    def _digest(self) -> str:
        with self._reading():
            return file_digest_once(self.path)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            self.path.stat()
            yield
        except OSError as error:
            raise UserError(f"{self.name}: cannot be read ({error.strerror or error}); it was there before") from error


class _Scratch(TableCache):
    """Tables of one reader, in a folder of its own: there is nobody to keep them from."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder, _SCRATCH_GB)

    def keep(self, entries: Any) -> None:
        """Keep nothing."""


@dataclass(frozen=True)
class Shards:
    """The shards of a split, and how they are read.

    Args:
        files: in the order of their names.
        window: rows of a process that are shuffled together, about.
        min_class_count: a warning names classes with fewer sentences, once all were read.
    """

    files: Sequence[Shard]
    window: int
    min_class_count: int = 0


def open_shard(
    path: Path, columns: Columns, dialect: Dialect, missing_values: Sequence[str], scratch: Path
) -> tuple[Shard, Mapping[str, str]]:
    """Look at a file without reading its rows; those of text files are counted in one pass.

    Returns:
        The shard, and the columns that are read of it, as :func:`choose` gives them.

    Raises:
        UserError: it cannot be opened, has no row, or lacks a column; or a row of a text file cannot be read.
    """
    with open_rows(str(path), dialect=dialect) as reader:
        present_columns(reader, columns)
        rows, keys = _count(reader)
        if not rows:
            raise UserError(f"{path}: no row with a sentence")
        chosen = choose(reader.name, reader.columns or keys, columns)
    return Shard(path, rows, columns, dialect, tuple(missing_values), scratch), chosen


def other_columns(shards: Sequence[Shard], chosen: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield a line for each shard that lacks a column of labels which the first that differs from it has."""
    everything = dict.fromkeys(column for columns in chosen for column in columns)
    for shard, columns in zip(shards, chosen, strict=True):
        lacking = [column for column in everything if column not in columns]
        if lacking:
            other = next(one for one, theirs in zip(shards, chosen, strict=True) if lacking[0] in theirs)
            hint = "all shards need the same columns, empty cells where there is no label"
            yield f"{shard.name} has no column {lacking[0]!r}, and {other.name} has it; {hint}"


def labelled_tasks(chosen: Sequence[Mapping[str, str]]) -> set[str]:
    """Return the tasks for which some shard has a column."""
    return {task for columns in chosen for task in columns.values() if task != TEXT}


def named_columns(columns: Columns, task: str) -> str:
    """Return the columns of a task's labels, as a message names them."""
    return ", ".join(map(repr, column_names(columns.labels[task])))


def _count(reader: RowReader) -> tuple[int, list[str]]:
    """Return the rows, and the columns of text files that have no header: the keys of any row."""
    if isinstance(reader, ParquetRows):
        return len(reader), []
    if isinstance(reader, ArrowRows):
        return sum(batch.num_rows for batch in reader.batches()), []
    rows, keys = 0, dict[str, None]()
    for number, row in reader.good_and_bad_rows():
        if isinstance(row, BadRow):
            raise reader.row_error(number, row.reason)
        keys |= dict.fromkeys(row)
        rows += 1
    return rows, list(keys)


def _rows(table: Table) -> Iterator[tuple[int, Sentence]]:
    """Yield the sentences of a table, each with its place there."""
    start = 0
    for chunk in table.chunks():
        columns = {name: array.to_pylist() for name, array in chunk.items()}
        texts = columns.pop(TEXT)
        for index, text in enumerate(texts):
            if text and fold(text):
                yield start + index, Sentence(text, {name: column[index] for name, column in columns.items()})
        start += len(texts)


def _label_problem(task: Task, label: str | None) -> str | None:
    try:
        task.kind.targets(task.labels, [label])
    except UserError as error:
        return str(error)
    return None
