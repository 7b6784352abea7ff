"""Scanning: one pass over tables of sentences, and what it found. Knows nothing about what is good or bad.

Shapes: N sentences of a split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyhead.sources.tables import Table

Rows = NDArray[np.integer[Any]]
_DAMAGED = "\N{REPLACEMENT CHARACTER}"


class Vocabulary:
    """The labels of one task in the order in which they were met."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def encode(self, labels: Sequence[str | None]) -> list[int]:
        """Return the code of each label, -1 for None."""
        return [-1 if label is None else self.codes.setdefault(label, len(self.codes)) for label in labels]

    def count(self, codes: Rows) -> Rows:
        """Return how often each label occurs among ``codes``."""
        return np.bincount(codes + 1, minlength=len(self.codes) + 1)[1:]

    def used(self, codes: Rows) -> list[str]:
        """Return the labels that occur among ``codes``: numbers in their order, texts in alphabetical order."""
        counts = self.count(codes)
        labels = [label for label, code in self.codes.items() if counts[code]]
        return sorted(labels, key=lambda label: (int(label), label) if label.isdecimal() else (0, label))


@dataclass
class Scan:
    """What one pass over the tables of a split found.

    Args:
        tables: of the split.
        texts: a hash of each text (N,).
        codes: label of each sentence by task (N,), -1 where there is none.
        empty: sentences without a text.
        damaged: sentences with characters that were lost before.
        blank: lines passed over, by table.
    """

    tables: Sequence[Table]
    texts: Rows
    codes: dict[str, NDArray[np.int32]]
    empty: list[int] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    blank: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(len(table) for table in self.tables)

    def forget(self) -> None:
        """Give up what only an inspection needs, which is the most of it."""
        self.texts, self.codes = self.texts[:0].copy(), {}

    def place(self, index: int) -> str:
        """Say where a person finds a sentence: file and row."""
        return "{} row {}".format(*self._find(index))

    def places(self, indices: Sequence[int]) -> str:
        """Say where a person finds several sentences, the rows of a file together."""
        files: dict[str, list[str]] = {}
        for name, row in map(self._find, indices):
            files.setdefault(name, []).append(str(row))
        return ", ".join(f"{name} row{'s' * (len(rows) > 1)} {', '.join(rows)}" for name, rows in files.items())

    def _find(self, index: int) -> tuple[str, int]:
        for table in self.tables:
            if index < len(table):
                return table.name, table.row(index)
            index -= len(table)
        raise IndexError(index)


def scan(tables: Sequence[Table], vocabularies: Mapping[str, Vocabulary]) -> Scan:
    """Read all tables of a split once."""
    found = Scan(tables, np.empty(0, np.int64), {})
    found.texts = np.empty(len(found), np.int64)
    found.codes = {task: np.full(len(found), -1, dtype=np.int32) for task in vocabularies}
    start = 0
    for table in tables:
        first = start
        for chunk in table.chunks():
            texts = [(text or "").strip() for text in chunk["text"].to_pylist()]
            end = start + len(texts)
            found.texts[start:end] = [hash(text) for text in texts]
            found.empty += [start + i for i, text in enumerate(texts) if not text]
            found.damaged += [start + i for i, text in enumerate(texts) if _DAMAGED in text]
            for task in table.tasks:
                encoded = chunk[task].dictionary_encode()  # few distinct labels: Python sees each once a chunk
                codes = np.asarray([*vocabularies[task].encode(encoded.dictionary.to_pylist()), -1], dtype=np.int32)
                found.codes[task][start:end] = codes[encoded.indices.fill_null(len(codes) - 1).to_numpy()]
            start = end
        if table.numbered and start > first:
            last = table.row(start - first - 1)
            found.blank[table.name] = last - table.row(0) + 1 - (start - first)
    return found
