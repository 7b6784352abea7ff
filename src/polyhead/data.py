"""Data: sentences tokenised once, split, and handed out as batches. Knows nothing about models.

Shapes: N sentences of a split, B sentences of a batch, S tokens.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, Protocol

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedTokenizerBase

from polyhead.batch import WHOLE, Batch
from polyhead.batching import Batching, LengthGroupedBatches
from polyhead.errors import UserError
from polyhead.loading import TrainingLoader
from polyhead.tasks import Task

log = logging.getLogger(__name__)

_CHUNK = 4096  # sentences tokenised at a time: bounds memory, and is enough to keep all cores busy


class LabelledSentence(Protocol):
    """A text and its label for each task, None where it has none."""

    @property
    def text(self) -> str: ...  # noqa: D102

    @property
    def labels(self) -> Mapping[str, str | None]: ...  # noqa: D102


class Source(Protocol):
    """Whatever gives labelled sentences for a split."""

    def sentences(self, split: str) -> Iterable[LabelledSentence]: ...  # noqa: D102


class TokenisedSplit(Dataset[Batch]):
    """The sentences of a split as token ids, addressed by lists of rows.

    Args:
        tokens: ids of all sentences, one after the other.
        offsets: where each sentence starts (N + 1,).
        labels: class index (N,) of each task.
        padding: token id that fills up shorter sentences of a batch.
    """

    def __init__(
        self,
        tokens: NDArray[np.int32],
        offsets: NDArray[np.int64],
        labels: Mapping[str, NDArray[np.int64]],
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
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each sentence (N,), special ones included."""
        return np.diff(self.offsets)

    def __getitem__(self, rows: list[int]) -> Batch:
        starts = self.offsets[rows]
        lengths = self.offsets[np.asarray(rows) + 1] - starts  # (B,)
        positions = np.arange(lengths.max())  # (S,)
        mask = positions < lengths[:, None]  # (B, S)
        ids = np.full(mask.shape, self.padding, dtype=np.int64)
        ids[mask] = self.tokens[(starts[:, None] + positions)[mask]]
        return Batch(
            input_ids=torch.from_numpy(ids),
            # Without padding there is nothing to mask, and attention without a mask is faster.
            attention_mask=None if mask.all() else torch.from_numpy(mask.astype(np.int64)),
            labels={name: torch.from_numpy(column[rows]) for name, column in self.labels.items()},
            features=self._features(rows, mask),
            depth=self.depth,
        )

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


def tokenise(
    sentences: Iterable[LabelledSentence],
    tasks: Sequence[Task],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> tuple[TokenisedSplit, int]:
    """Tokenise sentences once.

    Returns:
        The split, and how many of its sentences were cut to ``max_length`` tokens.

    Raises:
        UserError: a label that its task does not have.
    """
    tokens: list[NDArray[np.int32]] = []
    lengths: list[int] = []
    labels: dict[str, list[int]] = {task.name: [] for task in tasks}
    truncated = 0
    remaining = iter(sentences)
    while chunk := list(islice(remaining, _CHUNK)):
        encodings = tokenizer([sentence.text for sentence in chunk], truncation=True, max_length=max_length).encodings
        for encoding in encodings or []:
            tokens.append(np.asarray(encoding.ids, dtype=np.int32))
            lengths.append(len(encoding.ids))
            truncated += bool(encoding.overflowing)
        for task in tasks:
            labels[task.name] += [task.index(sentence.labels.get(task.name)) for sentence in chunk]
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    split = TokenisedSplit(
        tokens=np.concatenate(tokens) if tokens else np.zeros(0, dtype=np.int32),
        offsets=offsets,
        labels={name: np.asarray(column, dtype=np.int64) for name, column in labels.items()},
        padding=tokenizer.pad_token_id or 0,
    )
    return split, truncated


Attach = Callable[[TokenisedSplit, str], None]
"""Gives a split of that name its stored features."""


class SentenceData(L.LightningDataModule):
    """The splits of a source, tokenised once, as length-grouped batches.

    Args:
        source: gives the labelled sentences of each split.
        tasks: which labels to read.
        tokenizer: text -> token ids.
        max_length: longest sentence in tokens; what is longer is cut, and counted in the log.
        batching: how large batches are, and how their rows are chosen.
        features: returns what gives a split of that name its stored features, or None where nothing worth storing is
            frozen; asked again when that changes. Without it none are stored.
    """

    def __init__(
        self,
        source: Source,
        tasks: Sequence[Task],
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        batching: Batching,
        features: Callable[[], Attach | None] | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.tasks = tuple(tasks)
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.batching = batching
        self.features = features
        self.splits: dict[str, TokenisedSplit] = {}

    def split(self, name: str) -> TokenisedSplit:
        """Return a split, tokenised on first use.

        Raises:
            UserError: the split is empty, or its sentences have labels that the tasks do not know.
        """
        if name not in self.splits:
            split, truncated = tokenise(self.source.sentences(name), self.tasks, self.tokenizer, self.max_length)
            if not len(split):
                raise UserError(f"data: the {name} split is empty; it needs at least one sentence")
            if truncated:
                log.warning("%d of %d %s sentences cut to %d tokens", truncated, len(split), name, self.max_length)
            if self._attach is not None:
                self._attach(split, name)
            self.splits[name] = split
        return self.splits[name]

    @cached_property
    def _attach(self) -> Attach | None:
        return self.features() if self.features else None

    def refresh_features(self) -> None:
        """Give the splits the features of what is frozen now."""
        self.__dict__.pop("_attach", None)
        for name, split in self.splits.items():
            split.features, split.depth = None, 0
            if self._attach is not None:
                self._attach(split, name)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the training batches of an epoch."""

        def done() -> int:
            progress: Any = self.trainer.fit_loop.epoch_loop.batch_progress if self.trainer else None
            return int(progress.current.processed) if progress else 0

        batches = self._batches("train", self.batching.batch_size, shuffle=True)
        return TrainingLoader(self.split("train"), batches, done, **self._loader_settings())

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the validation batches."""
        return self._evaluation_loader("validation")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return the test batches."""
        return self._evaluation_loader("test")

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Copy a batch to the device, without waiting where that is a GPU, which reads page-locked memory."""
        return batch.to(device, non_blocking=device.type == "cuda")

    def _evaluation_loader(self, name: str) -> DataLoader[Batch]:
        batches = self._batches(name, self.batching.evaluation_batch_size, shuffle=False)
        # The sampler yields whole batches of rows, and the split collates them.
        return DataLoader(self.split(name), sampler=batches, batch_size=None, **self._loader_settings())

    def _loader_settings(self) -> dict[str, Any]:
        return {"pin_memory": torch.cuda.is_available(), "num_workers": self.batching.workers}

    def _batches(self, name: str, batch_size: int, shuffle: bool) -> LengthGroupedBatches:
        trainer = self.trainer
        return LengthGroupedBatches(
            self.split(name).lengths,
            batch_size,
            self.batching.window,
            self.batching.seed,
            shuffle,
            rank=trainer.global_rank if trainer else 0,
            processes=trainer.world_size if trainer else 1,
        )
