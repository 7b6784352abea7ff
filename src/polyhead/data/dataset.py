"""Dataset: the tokenized sentences of a split, and batches of them. Knows nothing about models or trainers.

Shapes: N sentences of a split, M tokens of all of them, B sentences of a batch, R windows of those, S tokens, H hidden
units, W units of an embedding.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from polyhead.data.batch import Batch
from polyhead.data.tokenization import TokenizedSentences
from polyhead.storage.cache import Description
from polyhead.storage.memmap import release_pages


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

    def __len__(self) -> int:
        return len(self.sentences)

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Tokens of each sentence (N,), special ones included."""
        return self.sentences.lengths

    @property
    def labels(self) -> Mapping[str, NDArray[Any]]:
        """Target of each sentence (N,) or (N, C) by task, see :class:`TokenizedSentences`."""
        return self.sentences.labels

    def all_labels(self) -> dict[str, Tensor]:
        """Return the targets of all sentences (N,) or (N, C) by task, as losses take them."""
        return {name: _tensor(np.asarray(column)) for name, column in self.labels.items()}

    def __getitem__(self, rows: list[int]) -> Batch:
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


def _tensor(targets: NDArray[Any]) -> Tensor:
    """Return targets as losses take them: indices as int64, numbers as they are."""
    return torch.from_numpy(targets if targets.dtype.kind == "f" else targets.astype(np.int64))
