"""Tokenized sentences: token ids one sentence after the other, with labels. Knows nothing about texts or batches.

Shapes: N sentences, M tokens of all sentences together, R windows of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TokenizedSentences:
    """The token ids of sentences, one sentence after the other, and their labels.

    Args:
        ids: token ids of all sentences (M,).
        offsets: where each sentence starts in ``ids``, and after the last one M (N + 1,).
        labels: target of each sentence by task, class indices or numbers (N,), or a 0 or 1 for each class (N, C); see
            :func:`polyhead.tasks.is_labelled` for those that are missing.
        truncated: how many of the sentences were cut.
        window: tokens of all windows of a sentence but its last, which has as many or fewer; None where every sentence
            is one.
        seconds: the second texts of the same N rows, without a token where a row has none; None where all have one.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    labels: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    truncated: int = 0
    window: int | None = None
    seconds: Self | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Tokens of each sentence (N,), special ones included."""
        return np.diff(self.offsets).astype(np.int32)

    def select(self, rows: NDArray[np.integer[Any]]) -> Self:
        """Return some of the sentences, in the order of ``rows``, in memory."""
        lengths = self.offsets[rows + 1] - self.offsets[rows]  # of these alone: there may be millions
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(lengths, dtype=np.int64, out=offsets[1:])
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        labels = {name: column[rows] for name, column in self.labels.items()}
        seconds = None if self.seconds is None else self.seconds.select(rows)
        return type(self)(self.ids[places], offsets, labels, window=self.window, seconds=seconds)

    def in_windows(self, window: int | None) -> Self:
        """Return the sentences, and their second texts, with windows of so many tokens."""
        seconds = None if self.seconds is None else replace(self.seconds, window=window)
        return replace(self, window=window, seconds=seconds)

    def without_empty(self) -> Self:
        """Return the texts that have tokens, without labels."""
        starts = self.offsets[:-1][self.lengths > 0]
        return type(self)(self.ids, np.append(starts, self.offsets[-1:]), window=self.window)

    @property
    def windows(self) -> NDArray[np.int64]:
        """Windows of each sentence (N,), 1 or more."""
        return self._windows(self.lengths)

    def _windows(self, lengths: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        if self.window is None:
            return np.ones(len(lengths), dtype=np.int64)
        return np.maximum(1, -(-lengths.astype(np.int64) // self.window))  # rounded up

    def locate(
        self, rows: Sequence[int] | NDArray[np.integer[Any]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64] | None]:
        """Find the windows of some sentences in ``ids``, one sentence after the other.

        Returns:
            Where each window starts (R,), its tokens (R,), and the windows of each sentence, None if each has one.
        """
        chosen = np.asarray(rows, dtype=np.int64)
        starts = self.offsets[chosen]
        lengths = self.offsets[chosen + 1] - starts
        windows = self._windows(lengths)
        if self.window is None or windows.max(initial=1) == 1:
            return starts, lengths, None
        firsts = np.cumsum(windows) - windows
        before = self.window * (np.arange(windows.sum()) - np.repeat(firsts, windows))  # tokens of the sentence
        rest = np.repeat(lengths, windows) - before
        return np.repeat(starts, windows) + before, np.minimum(rest, self.window), windows

    def section(self, start: int, stop: int) -> "TokenizedSentences":
        """Return the sentences from ``start`` up to ``stop``, without labels."""
        offsets = self.offsets[start : stop + 1]
        return TokenizedSentences(self.ids[offsets[0] : offsets[-1]], offsets - offsets[0], window=self.window)

    def as_windows(self) -> "TokenizedSentences":
        """Return the windows as sentences of their own, without labels; itself if every sentence is one."""
        if self.window is None:
            return self
        starts, _, windows = self.locate(np.arange(len(self)))
        return self if windows is None else TokenizedSentences(self.ids, np.append(starts, self.offsets[-1]))

    @classmethod
    def concatenate(cls, parts: Iterable[Self], tasks: Iterable[str] = ()) -> Self:
        """Join sentences in memory.

        Args:
            parts: any number of them, none included; all of them with second texts, or none.
            tasks: names of the tasks whose labels are joined; each part has them.
        """
        held = list(parts)
        labels = {task: _joined_targets([part.labels[task] for part in held]) for task in tasks}
        lengths = _joined(part.lengths for part in held)
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, dtype=np.int64, out=offsets[1:])
        truncated = sum(part.truncated for part in held)
        some = [part.seconds for part in held if part.seconds is not None]
        seconds = cls.concatenate(some) if some else None
        return cls(_joined(part.ids for part in held), offsets, labels, truncated, seconds=seconds)


def _joined_targets(targets: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(targets) if targets else np.zeros(0, dtype=np.int32)


def _joined(arrays: Iterable[NDArray[np.int32]]) -> NDArray[np.int32]:
    return np.concatenate([np.zeros(0, dtype=np.int32), *arrays])
