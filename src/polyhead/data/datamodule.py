"""Data: sentences tokenised once, split, and handed out as batches. Knows nothing about models.

Shapes: N sentences of a split, B sentences of a batch, S tokens.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import lightning as L
import torch
from rich.console import Console
from rich.progress import track
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerBase

from polyhead.data.batch import Batch
from polyhead.data.dataset import TokenizedSplit, token_chunks
from polyhead.data.loader import TrainingLoader
from polyhead.data.samplers import LengthGroupedBatchSampler, LoaderSettings
from polyhead.data.token_cache import Chunk, TokenCache, Tokens, gather
from polyhead.errors import UserError
from polyhead.sources.base import Source
from polyhead.tasks import Task

log = logging.getLogger(__name__)

_FORMAT = 1  # part of every key of a store: tokens of another layout are simply not found


Attach = Callable[[TokenizedSplit, str], None]
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
        store: keeps tokens for the next run, of sources that have a fingerprint; None tokenises each time.
    """

    def __init__(
        self,
        source: Source,
        tasks: Sequence[Task],
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        batching: LoaderSettings,
        features: Callable[[], Attach | None] | None = None,
        store: TokenCache | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.tasks = tuple(tasks)
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.batching = batching
        self.features = features
        self.store = store
        self.splits: dict[str, TokenizedSplit] = {}

    def split(self, name: str) -> TokenizedSplit:
        """Return a split, tokenised on first use.

        Raises:
            UserError: the split is empty, or its sentences have labels that the tasks do not know.
        """
        if name not in self.splits:
            tokens = self._tokens(name)
            split = TokenizedSplit(tokens.ids, tokens.offsets, tokens.labels, self.tokenizer.pad_token_id or 0)
            if not len(split):
                raise UserError(f"data: the {name} split is empty; it needs at least one sentence")
            if tokens.truncated:
                log.warning(
                    "%d of %d %s sentences cut to %d tokens", tokens.truncated, len(split), name, self.max_length
                )
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

    def _tokens(self, name: str) -> Tokens:
        tasks = [task.name for task in self.tasks]

        def chunks() -> Iterator[Chunk]:
            sentences, size = self.source.sentences(name), self.source.size(name)
            if size is not None and Console().is_terminal:
                sentences = track(sentences, f"tokenising {name}", total=size, transient=True)
            return token_chunks(sentences, self.tasks, self.tokenizer, self.max_length)

        fingerprint = self.source.fingerprint(name)
        if self.store is None or fingerprint is None:
            return gather(chunks(), tasks)
        tokenizer = json.loads(self.tokenizer.backend_tokenizer.to_str())
        tokenizer |= {"truncation": None, "padding": None}  # as the last use left them, and set anew by each
        content = repr([_FORMAT, fingerprint, self.max_length, self.tasks, tokenizer])
        return self.store.get(hashlib.sha256(content.encode()).hexdigest(), chunks, tasks)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the training batches of an epoch."""

        def done() -> int:
            progress: Any = self.trainer.fit_loop.epoch_loop.batch_progress if self.trainer else None
            return int(progress.current.processed) if progress else 0

        batches = self._batches("train", self.batching.batch_size, shuffle=True)
        return TrainingLoader(self.split("train"), batches, done, **self._loader_settings())

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the validation batches."""
        return self.evaluation_loader("validation")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return the batches of the test set ``test``."""
        return self.evaluation_loader("test")

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Copy a batch to the device, without waiting where that is a GPU, which reads page-locked memory."""
        return batch.to(device, non_blocking=device.type == "cuda")

    def evaluation_loader(self, name: str) -> DataLoader[Batch]:
        """Return the batches of a split in their own order, each row once."""
        batches = self._batches(name, self.batching.evaluation_batch_size, shuffle=False)
        # The sampler yields whole batches of rows, and the split collates them.
        return DataLoader(self.split(name), sampler=batches, batch_size=None, **self._loader_settings())

    def _loader_settings(self) -> dict[str, Any]:
        return {"pin_memory": torch.cuda.is_available(), "num_workers": self.batching.workers}

    def _batches(self, name: str, batch_size: int, shuffle: bool) -> LengthGroupedBatchSampler:
        trainer = self.trainer
        return LengthGroupedBatchSampler(
            self.split(name).lengths,
            batch_size,
            self.batching.bucket_batches,
            self.batching.seed,
            shuffle,
            rank=trainer.global_rank if trainer else 0,
            processes=trainer.world_size if trainer else 1,
            mixture=self.source.mixture(name) if shuffle else None,
        )
