"""Tokenized shards: the sentences of files that are tokenized one by one, when they are needed, as batches.

A sentence has the number of the shard's first row plus its place among the shard's sentences.
Shapes: N sentences of a shard, W of a piece, C classes of a task.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from polyhead.data.batch import Batch
from polyhead.data.dataset import TokenizedSplit
from polyhead.data.shard_sampler import Piece
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.errors import UserError
from polyhead.sources.shards import Shard, Shards
from polyhead.storage.cache import Description
from polyhead.storage.memmap import release_pages
from polyhead.tasks import Task, is_labelled

log = logging.getLogger(__name__)

_OPEN = 256  # shards that stay mapped, at most: what the cache evicted holds disk as long as it is mapped
_SAMPLED = 4  # shards from which a sample is taken
SAMPLE = 20_000
"""Rows of a sample, at most."""


class TokenizedShards(Dataset[Batch]):
    """The sentences of shards, addressed by lists of their numbers.

    Args:
        shards: that there are; of their classes with few sentences a line tells, once all were read.
        read: gives the tokens of one.
        tasks: the tasks whose labels are read.
        padding: token id that fills up the shorter sentences of a batch.
        description: of the sentences, as caches show it to a person.
    """

    def __init__(
        self,
        shards: Shards,
        read: Callable[[Shard], TokenizedSentences],
        tasks: Sequence[Task],
        padding: int,
        description: Description,
    ) -> None:
        self.shards = shards
        self.read = read
        self.tasks = tasks
        self.padding = padding
        self.description = description
        self.starts = np.array([0, *accumulate(shard.rows for shard in shards.files)], dtype=np.int64)
        self._open: OrderedDict[int, TokenizedSentences] = OrderedDict()
        self._seen = _Counts(tasks)

    def lengths(self, piece: Piece) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the numbers of a piece's sentences, and their tokens, both (W,)."""
        sentences = self._sentences(piece.shard)
        start, stop = piece.among(len(sentences))
        tokens = np.diff(sentences.offsets[start : stop + 1]).astype(np.int32)
        self._seen.add(piece, {name: column[start:stop] for name, column in sentences.labels.items()})
        _release(sentences)
        return self.starts[piece.shard] + np.arange(start, stop), tokens

    def tell_seen(self) -> None:
        """Log what the sentences were whose lengths were asked for, the first time that this is called."""
        for line in self._seen.lines(self.shards.min_class_count):
            log.warning("%s", line)
        self._seen = _Counts(self.tasks)
        self._seen.done = True

    def __getitem__(self, numbers: list[int]) -> Batch:
        sentences = self._select(np.sort(np.asarray(numbers, dtype=np.int64)))
        batch = TokenizedSplit(sentences, self.padding)[list(range(len(numbers)))]
        return replace(batch, rows=torch.as_tensor(sorted(numbers)))

    def sample(self) -> TokenizedSplit:
        """Return some sentences for what looks at a few: up to 20,000, evenly from up to four shards.

        They are the same in each process.
        """
        chosen = np.unique(
            np.linspace(0, len(self.shards.files) - 1, min(_SAMPLED, len(self.shards.files))).astype(np.int64)
        )
        some = []
        for shard in chosen.tolist():
            count = len(self._sentences(shard))
            rows = np.linspace(0, count - 1, min(count, SAMPLE // len(chosen))).astype(np.int64)
            some.append(self.starts[shard] + rows)
        return TokenizedSplit(self._select(np.concatenate(some)), self.padding, self.description)

    def _select(self, numbers: NDArray[np.int64]) -> TokenizedSentences:
        """Return sentences in memory, in the order of their ascending numbers."""
        shards = np.searchsorted(self.starts, numbers, side="right") - 1
        parts = []
        for shard in np.unique(shards).tolist():
            sentences = self._sentences(shard)
            parts.append(sentences.select(numbers[shards == shard] - self.starts[shard]))
            _release(sentences)
        joined = TokenizedSentences.concatenate(parts, [task.name for task in self.tasks])
        return joined.in_windows(parts[0].window)

    def _sentences(self, shard: int) -> TokenizedSentences:
        """Return the tokens of a shard, mapped."""
        if shard not in self._open:
            found = self.read(self.shards.files[shard])
            if not len(found):
                raise UserError(f"{self.shards.files[shard].name}: no row has a text; mend it, or take it out")
            self._open[shard] = found
            if len(self._open) > _OPEN:
                self._open.popitem(last=False)
        self._open.move_to_end(shard)
        return self._open[shard]


class _Counts:
    """What the sentences were that training has read.

    Args:
        tasks: whose labels are counted.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tasks
        self.rows = self.sentences = 0
        self.labelled = {task.name: 0 for task in tasks}
        self.classes = {task.name: np.zeros(len(task.labels), np.int64) for task in tasks if task.kind.one_class}
        self.done = False

    def add(self, piece: Piece, labels: dict[str, NDArray[Any]]) -> None:
        """Count a piece; ``labels`` are its targets (W,) or (W, C) by task."""
        if self.done:
            return
        self.rows += len(piece)
        self.sentences += len(next(iter(labels.values())))
        for task in self.tasks:
            column = labels[task.name]
            known = is_labelled(column)
            self.labelled[task.name] += int(known.sum())
            if task.name in self.classes:
                self.classes[task.name] += np.bincount(column[known], minlength=len(task.labels))

    def lines(self, min_class_count: int) -> list[str]:
        """Return a line for each thing that is odd."""
        if self.done:
            return []
        found = []
        if self.sentences < self.rows:
            found.append(f"train: {self.rows - self.sentences:,} of {self.rows:,} rows without a text left out")
        found += [
            f"{name}: no train row that was read has a label" for name, count in self.labelled.items() if not count
        ]
        for task in self.tasks:
            counts = self.classes.get(task.name)
            if counts is not None and self.labelled[task.name]:
                rare = [f"{task.labels[i]} {counts[i]:,}" for i in np.argsort(counts) if counts[i] < min_class_count]
                if rare:
                    line = f"{len(rare):,} classes with under {min_class_count} of the train rows that were read"
                    found.append(f"{task.name}: {line}: {', '.join(rare[:3])}")
        return found


def _release(sentences: TokenizedSentences) -> None:
    """Give back the memory of a mapped shard."""
    release_pages(sentences.ids, sentences.offsets, *sentences.labels.values())
