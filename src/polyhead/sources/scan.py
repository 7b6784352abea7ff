"""Scan: the findings of one pass over tables of sentences. Knows nothing about what is good or bad.

Shapes: N sentences of a split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polyhead.sources.duplicates import Integers
from polyhead.sources.folding import fold
from polyhead.sources.pairs import SECOND, label_each_pair, pair_hashes
from polyhead.sources.records import TEXT
from polyhead.sources.tables import Table
from polyhead.sources.weights import read_weights
from polyhead.tasks import Task

if TYPE_CHECKING:
    from pyarrow import Array

_DAMAGED = "\N{REPLACEMENT CHARACTER}"
_NO_LABEL = -1


class Vocabulary:
    """The labels of one task in the order in which they were met."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def to_codes(self, labels: Sequence[str | None]) -> list[int]:
        """Return the code of each label, -1 for None; a new label gets the next code."""
        return [_NO_LABEL if label is None else self.codes.setdefault(label, len(self.codes)) for label in labels]

    def count(self, codes: Integers) -> Integers:
        """Return the number of occurrences of each label among ``codes``."""
        return np.bincount(codes + 1, minlength=len(self.codes) + 1)[1:]

    def used(self, codes: Integers) -> list[str]:
        """Return the labels that occur among ``codes``: numbers in their order, texts in alphabetical order."""
        counts = self.count(codes)
        labels = [label for label, code in self.codes.items() if counts[code]]
        return sorted(labels, key=_sort_key)


def _sort_key(label: str) -> tuple[int, str]:
    return (int(label), label) if label.isdecimal() else (0, label)


@dataclass
class Scan:
    """The findings of one pass over the tables of a split.

    Args:
        tables: of the split.
        texts: a hash of each row (N,), equal for texts that a person takes for the same (:func:`fold`); of rows with a
            second text, for pairs.
        codes: label of each sentence by task (N,), -1 where there is none.
        empty: sentences without a text, which have no labels either.
        damaged: sentences with characters that an earlier conversion lost.
        joined: sentences in whose row a cell looks like several rows.
        blank: number of blank lines between the rows, by table.
        shared: sentences whose texts stand in other tables as well, with the scan of those.
        weights: of each sentence (N,), see :func:`read_weights`; None where all count alike.
        groups: by task, to which groups a label belongs that sentences are held out by evenly (V, K); a task without
            is held out by its labels.
        firsts: a hash of each first text (N,): rows of one text are held out together, whatever stands beside it.
        paired: whether a row has a second text (N,).
        each_pair: tasks that have a label for each pair.
    """

    tables: Sequence[Table]
    texts: Integers
    codes: dict[str, NDArray[np.int32]]
    empty: list[int] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    joined: list[int] = field(default_factory=list)
    blank: dict[str, int] = field(default_factory=dict)
    shared: list[tuple["Scan", NDArray[np.intp]]] = field(default_factory=list)
    weights: NDArray[np.float64] | None = None
    groups: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    firsts: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    paired: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    each_pair: Sequence[str] = ()

    def columns(self, rows: NDArray[np.intp]) -> list[Integers]:
        """Return the groups of some sentences, -1 where there is no label: a column of numbers or several per task."""
        found: list[Integers] = []
        for task, codes in self.codes.items():
            groups = self.groups.get(task)
            if groups is None or (groups.shape == (len(groups), 1) and (groups[:, 0] == np.arange(len(groups))).all()):
                found.append(codes[rows])
                continue
            missing = np.full((1, groups.shape[1]), _NO_LABEL)
            found += [*np.concatenate([groups, missing])[codes[rows]].T]
        return found

    def __len__(self) -> int:
        return sum(len(table) for table in self.tables)

    def add_chunk(self, start: int, chunk: Mapping[str, "Array"], vocabularies: Mapping[str, Vocabulary]) -> int:
        """Take in the sentences of a chunk, the first of which is ``start``, and return where the next one starts."""
        texts = [fold(text) if text else "" for text in chunk[TEXT].to_pylist()]
        end = start + len(texts)
        self.firsts[start:end] = [hash(text) for text in texts]
        self._add_seconds(start, texts, chunk)
        empty = [i for i, text in enumerate(texts) if not text]
        for i in empty:
            self.texts[start + i] = hash((id(self), start + i))  # no text is none that another could have
            self.firsts[start + i] = self.texts[start + i]
        self.empty += [start + i for i in empty]
        self.damaged += [start + i for i, text in enumerate(texts) if _DAMAGED in text]
        for task in [name for name in chunk if name not in (TEXT, SECOND)]:
            labels = chunk[task].dictionary_encode()  # few distinct labels: Python sees each once per chunk
            codes = [*vocabularies[task].to_codes(labels.dictionary.to_pylist()), _NO_LABEL]
            indices = labels.indices.fill_null(len(codes) - 1).to_numpy()
            found = np.asarray(codes, dtype=np.int32)[indices]
            found[empty] = _NO_LABEL
            self.codes[task][start:end] = found
        return end

    def _add_seconds(self, start: int, texts: Sequence[str], chunk: Mapping[str, "Array"]) -> None:
        end = start + len(texts)
        self.texts[start:end] = self.firsts[start:end]
        if SECOND in chunk:
            seconds = [fold(text) if text else "" for text in chunk[SECOND].to_pylist()]
            self.paired[start:end] = [bool(text) for text in seconds]
            self.texts[start:end] = pair_hashes(texts, seconds)

    def drop_arrays(self) -> None:
        """Free the memory that only the inspection needs, which is most of it."""
        self.texts, self.firsts, self.codes = self.texts[:0].copy(), self.firsts[:0].copy(), {}

    def place(self, index: int) -> str:
        """Return the file and row where a person finds a sentence."""
        return "{} row {}".format(*self.find(index))

    def places(self, indices: Sequence[int]) -> str:
        """Return the files and rows where a person finds several sentences, the rows of a file together."""
        files: dict[str, list[str]] = {}
        for name, row in map(self.find, indices):
            files.setdefault(name, []).append(str(row))
        return ", ".join(f"{name} row{'s' * (len(rows) > 1)} {', '.join(rows)}" for name, rows in files.items())

    def find(self, index: int) -> tuple[str, int]:
        """Return the file of a sentence, and its row there."""
        for table in self.tables:
            if index < len(table):
                return table.name, table.row(index)
            index -= len(table)
        raise IndexError(index)


def scan(tables: Sequence[Table], vocabularies: Mapping[str, Vocabulary], each_pair: Sequence[str] = ()) -> Scan:
    """Read all tables of a split once; the tasks of ``each_pair`` have a label for each pair."""
    found = Scan(tables, np.empty(0, np.int64), {}, weights=read_weights(tables), each_pair=tuple(each_pair))
    found.texts, found.firsts = np.empty(len(found), np.int64), np.empty(len(found), np.int64)
    found.paired = np.zeros(len(found), np.bool_)
    found.codes = {task: np.full(len(found), _NO_LABEL, dtype=np.int32) for task in vocabularies}
    start = 0
    for table in tables:
        for chunk in table.chunks():
            start = found.add_chunk(start, label_each_pair(chunk, each_pair), vocabularies)
        found.joined += [start - len(table) + row for row in table.joined()]
        if table.numbered and len(table):
            rows_between = table.row(len(table) - 1) - table.row(0) + 1
            found.blank[table.name] = rows_between - len(table)
    return found


def group_labels(scans: Sequence[Scan], tasks: Sequence[Task], vocabularies: Mapping[str, Vocabulary]) -> None:
    """Note in scans by which groups the labels of each task are held out evenly."""
    groups = {task.name: task.kind.groups(task.labels, list(vocabularies[task.name].codes)) for task in tasks}
    for one in scans:
        one.groups = groups
