"""Tokenised: the sentences of a split as token ids, and batches of them. Knows nothing about models or trainers.

Shapes: N sentences of a split, B sentences of a batch, S tokens.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from polyhead.data.batch import WHOLE, Batch
from polyhead.data.token_cache import Chunk, gather
from polyhead.data.tokenization import CHUNK, encode
from polyhead.sources.base import LabelledSentence
from polyhead.storage.memmap import release_pages
from polyhead.tasks import MISSING, Task


class TokenizedSplit(Dataset[Batch]):
    """The sentences of a split as token ids, addressed by lists of rows.

    Args:
        tokens: ids of all sentences, one after the other.
        offsets: where each sentence starts (N + 1,).
        labels: class index (N,) of each task, ``MISSING`` where there is none.
        padding: token id that fills up shorter sentences of a batch.
    """

    def __init__(
        self,
        tokens: NDArray[np.int32],
        offsets: NDArray[np.int64],
        labels: Mapping[str, NDArray[np.int32]],
        padding: int,
    ) -> None:
        self.tokens = tokens
        self.offsets = offsets
        self.labels = labels
        self.padding = padding
        self.features: Tensor | None = None  # of a frozen encoder: (N, H), or (tokens, H) after ``depth`` layers
        self.depth = 0

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Tokens of each sentence (N,), special ones included."""
        return np.diff(self.offsets).astype(np.int32)

    def __getitem__(self, rows: list[int]) -> Batch:
        starts = self.offsets[rows]
        lengths = self.offsets[np.asarray(rows) + 1] - starts  # (B,)
        positions = np.arange(lengths.max())  # (S,)
        mask = positions < lengths[:, None]  # (B, S)
        ids = np.full(mask.shape, self.padding, dtype=np.int64)
        ids[mask] = self.tokens[(starts[:, None] + positions)[mask]]
        batch = Batch(
            input_ids=torch.from_numpy(ids),
            # Without padding there is nothing to mask, and attention without a mask is faster.
            attention_mask=None if mask.all() else torch.from_numpy(mask.astype(np.int64)),
            labels={name: torch.from_numpy(column[rows].astype(np.int64)) for name, column in self.labels.items()},
            features=self._features(rows, mask),
            depth=self.depth,
            rows=torch.as_tensor(rows),
        )
        release_pages(
            self.tokens, self.offsets, *self.labels.values()
        )  # some 50 microseconds, and no file is ever held whole
        return batch

    def _features(self, rows: list[int], mask: NDArray[np.bool_]) -> Tensor | None:
        if self.features is None:
            return None
        if self.depth == WHOLE:
            return self.features[torch.as_tensor(rows)]  # (B, H)
        states = self.features.new_zeros(*mask.shape, self.features.shape[1])  # (B, S, H)
        for state, row in zip(states, rows, strict=True):
            start, end = self.offsets[row], self.offsets[row + 1]
            state[: end - start] = self.features[start:end]
        return states


def tokenize(
    sentences: Iterable[LabelledSentence],
    tasks: Sequence[Task],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> tuple[TokenizedSplit, int]:
    """Tokenise sentences once, in memory.

    Returns:
        The split, and how many of its sentences were cut to ``max_length`` tokens.

    Raises:
        UserError: a label that its task does not have.
    """
    tokens = gather(token_chunks(sentences, tasks, tokenizer, max_length), [task.name for task in tasks])
    return TokenizedSplit(tokens.ids, tokens.offsets, tokens.labels, tokenizer.pad_token_id or 0), tokens.truncated


def token_chunks(
    sentences: Iterable[LabelledSentence],
    tasks: Sequence[Task],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> Iterator[Chunk]:
    """Tokenise sentences, a few thousand at a time on all cores.

    Raises:
        UserError: a label that its task does not have.
    """
    indices = {task.name: {label: i for i, label in enumerate(task.labels)} | {None: MISSING} for task in tasks}
    remaining = iter(sentences)
    while chunk := list(islice(remaining, CHUNK)):
        tokens = encode([sentence.text for sentence in chunk], tokenizer, max_length)
        labels = {}
        for task in tasks:
            index = indices[task.name]
            given = [sentence.labels.get(task.name) for sentence in chunk]
            column = [index[label] if label in index else task.index(label) for label in given]
            labels[task.name] = np.asarray(column, dtype=np.int32)
        yield Chunk(tokens.ids, np.diff(tokens.offsets), labels, tokens.truncated)
