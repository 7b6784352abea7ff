"""Dataset: the tokenized sentences of a split, and batches of them. Knows nothing about models or trainers.

A row is a sentence, or a pair of texts: the second texts are a split of their own, without labels.
Shapes: N rows of a split, M tokens of all first texts, B rows of a batch, R windows of those, S tokens, H hidden units,
W units of an embedding.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from polyhead.data.batch import Batch, join_pairs
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.storage.cache import Description
from polyhead.storage.memmap import release_pages

_NONE = -1  # in place of a row of second texts


class TokenizedSplit(Dataset[Batch]):
    """The tokenized sentences of a split, addressed by lists of rows.

    Args:
        sentences: token ids and labels of the split.
        padding: token id that fills up the shorter sentences of a batch.
        description: of the split, as caches show it to a person.
        weights: how much each sentence counts in the loss (N,); None where all count alike.

    Attributes:
        activations: stored output of a frozen encoder: embeddings (N, H), or token states (M, H) after the lowest
            ``depth`` layers; None if none are stored.
        depth: number of layers that the stored activations replace, or None for all layers and the pooling; 0 if none
            are stored.
        pool: a split that has the stored output for these sentences among others, and their rows there (N,); None
            where it is in ``activations``, or nowhere.
        targets: embeddings (N, W) to which those of the sentences are held in training; None where they are not.
        second: the second texts of the rows that have one, in their order; None where none has one.
        answers: logits of a teacher's heads by task (N, its classes), which heads learn; None without a teacher.
    """

    def __init__(
        self,
        sentences: TokenizedSentences,
        padding: int,
        description: Description | None = None,
        weights: NDArray[np.float32] | None = None,
    ) -> None:
        self.sentences = sentences
        self.padding = padding
        self.description = description or {}
        self.weights = weights
        self.activations: Tensor | None = None
        self.depth: int | None = 0
        self.pool: tuple[TokenizedSplit, NDArray[np.integer[Any]]] | None = None
        self.targets: Tensor | None = None
        self.answers: dict[str, Tensor] | None = None
        self.second: TokenizedSplit | None = None
        has_second = np.zeros(0, dtype=np.bool_) if sentences.seconds is None else sentences.seconds.lengths > 0
        self._second_row = np.where(has_second, np.cumsum(has_second) - 1, _NONE)  # (N,)
        if sentences.seconds is not None and has_second.any():
            self.second = TokenizedSplit(sentences.seconds.without_empty(), padding, description)

    def __len__(self) -> int:
        return len(self.sentences)

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Tokens of each sentence (N,), special ones included; of a pair those of the longer text."""
        seconds = self.sentences.seconds
        return self.sentences.lengths if seconds is None else np.maximum(self.sentences.lengths, seconds.lengths)

    @property
    def labels(self) -> Mapping[str, NDArray[Any]]:
        """Target of each sentence (N,) or (N, C) by task, see :class:`TokenizedSentences`."""
        return self.sentences.labels

    def all_labels(self) -> dict[str, Tensor]:
        """Return the targets of all sentences (N,) or (N, C) by task, as losses take them."""
        return {name: _tensor(np.asarray(column)) for name, column in self.labels.items()}

    def __getitem__(self, rows: list[int]) -> Batch:
        batch = self._firsts(rows)
        if self.second is None:
            return batch
        seconds = self.second_rows(np.asarray(rows))
        pairs = np.flatnonzero(seconds != _NONE)
        if not len(pairs):
            return batch
        return join_pairs(batch, self.second[seconds[pairs].tolist()], torch.from_numpy(pairs), self.padding)

    def _firsts(self, rows: list[int]) -> Batch:
        ids, offsets = self.sentences.ids, self.sentences.offsets
        starts, lengths, windows = self.sentences.locate(rows)  # (R,), (R,), (B,)
        positions = np.arange(lengths.max())  # (S,)
        mask = positions < lengths[:, None]  # (R, S)
        padded = np.full(mask.shape, self.padding, dtype=np.int64)
        padded[mask] = ids[(starts[:, None] + positions)[mask]]
        labels = {name: _tensor(column[rows]) for name, column in self.labels.items()}
        chosen = torch.as_tensor(rows)
        batch = Batch(
            input_ids=torch.from_numpy(padded),
            # Without padding there is nothing to mask, and attention without a mask is faster.
            attention_mask=None if mask.all() else torch.from_numpy(mask.astype(np.int64)),
            labels=labels,
            activations=self._activations_of(rows, mask),
            depth=self.depth,
            rows=chosen,
            weights=None if self.weights is None else torch.from_numpy(self.weights[rows]),
            windows=None if windows is None else torch.from_numpy(windows),
            targets=None if self.targets is None else self.targets[chosen],
            answers=None if self.answers is None else {name: some[chosen] for name, some in self.answers.items()},
        )
        # Takes some 50 microseconds, and keeps mapped files from coming to lie in memory whole.
        release_pages(ids, offsets, *self.labels.values())
        return batch

    def select(self, rows: NDArray[np.integer[Any]]) -> "TokenizedSplit":
        """Return some of the sentences as a split, in the order of ``rows``, without stored activations."""
        weights = None if self.weights is None else self.weights[rows]
        return TokenizedSplit(self.sentences.select(rows), self.padding, self.description, weights)

    @property
    def with_second(self) -> NDArray[np.int64]:
        """The rows that have a second text, in the order of :attr:`second`."""
        return np.flatnonzero(self._second_row != _NONE)

    def second_rows(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        """Return where the second texts of some rows stand in :attr:`second`; below 0 where a row has none."""
        found: NDArray[np.integer[Any]] = self._second_row[rows]
        return found

    def forget_activations(self) -> None:
        """Leave out the stored activations."""
        self.activations, self.depth, self.pool = None, 0, None
        if self.second is not None:
            self.second.forget_activations()

    def take_from(self, pool: "TokenizedSplit", rows: NDArray[np.integer[Any]]) -> None:
        """Take the stored activations from a split that has these rows among others, at ``rows`` (N,)."""
        self.pool, self.depth = (pool, rows), pool.depth
        if self.second is not None and pool.second is not None:
            places = pool.second_rows(rows)
            self.second.take_from(pool.second, places[places != _NONE])

    def _activations_of(self, rows: list[int], mask: NDArray[np.bool_]) -> Tensor | None:
        if self.pool is not None:
            pool, positions = self.pool
            return pool._activations_of(positions[rows].tolist(), mask)
        if self.activations is None:
            return None
        if self.depth is None:
            return self.activations[torch.as_tensor(rows)]  # (B, H)
        states = self.activations.new_zeros(*mask.shape, self.activations.shape[1])  # (R, S, H)
        starts, lengths, _ = self.sentences.locate(rows)
        for state, start, length in zip(states, starts, lengths, strict=True):
            state[:length] = self.activations[start : start + length]
        return states


def attach_all(attach: Callable[[TokenizedSplit, str], None], split: TokenizedSplit, name: str) -> None:
    """Give a split and its second texts their stored activations, by a function that takes a split and its name."""
    attach(split, name)
    if split.second is not None:
        attach(split.second, f"{name}, second texts")


def _tensor(targets: NDArray[Any]) -> Tensor:
    """Return targets as losses take them: indices as int64, numbers as they are."""
    return torch.from_numpy(targets if targets.dtype.kind == "f" else targets.astype(np.int64))
