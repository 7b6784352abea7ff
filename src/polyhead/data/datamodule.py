"""Data module: the splits of a source, tokenized once, as length-grouped batches. Knows nothing about models."""

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import lightning as L
import torch
from rich.console import Console
from rich.progress import track
from torch.utils.data import DataLoader

from polyhead.data.batch import Batch
from polyhead.data.dataset import TokenizedSplit, attach_all
from polyhead.data.evidence import fewest_labels, tell_if_small
from polyhead.data.loader import TrainingLoader
from polyhead.data.samplers import LengthGroupedBatchSampler, LoaderSettings
from polyhead.data.shard_sampler import ShardedBatchSampler
from polyhead.data.token_cache import TokenCache
from polyhead.data.token_findings import TokenFindings
from polyhead.data.token_reader import TokenReader
from polyhead.data.tokenization import TextTokenizer
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.data.tokenized_shards import TokenizedShards
from polyhead.errors import UserError
from polyhead.sources.base import POOL, LabelledSentence, Source
from polyhead.sources.mixing import Balance, Mixture
from polyhead.sources.shards import Shard, Shards
from polyhead.storage.cache import Description
from polyhead.tasks import Task

log = logging.getLogger(__name__)

Attach = Callable[[TokenizedSplit, str], None]
"""Sets the stored activations of the split with that name."""


class SentenceData(L.LightningDataModule):
    """The splits of a source, tokenized once, as length-grouped batches.

    Args:
        source: labelled sentences of each split.
        tasks: the tasks whose labels are read.
        text_tokenizer: text -> token ids; sentences that it cuts are counted in the log.
        loader: sizes and order of batches.
        activations: returns the function that gives a split its stored activations, or None if nothing worth storing
            is frozen at that moment. It is called before the first split is read, and by :meth:`refresh_activations`.
            None stores no activations.
        token_cache: keeps tokens for later runs, of sources that have a fingerprint; None tokenizes each time.
        description: ``encoder`` and ``run``, as caches show them to a person.
    """

    def __init__(
        self,
        source: Source,
        tasks: Sequence[Task],
        text_tokenizer: TextTokenizer,
        loader: LoaderSettings,
        activations: Callable[[], Attach | None] | None = None,
        token_cache: TokenCache | None = None,
        description: Description | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.tasks = tuple(tasks)
        self.text_tokenizer = text_tokenizer
        self.tokenizer = text_tokenizer.tokenizer
        self.loader = loader
        self.activations = activations
        self._reader = TokenReader(self.tasks, text_tokenizer, token_cache)
        self.description = dict(description or {})
        self.splits: dict[str, TokenizedSplit] = {}
        self._attach: Attach | None = None
        self._pool: TokenizedSplit | None = None
        self._findings = TokenFindings(source, self.tokenizer)

    def split(self, name: str) -> TokenizedSplit:
        """Return a split, tokenized on first use; of shards some sentences that stand for all.

        Raises:
            UserError: the split is empty, or its sentences have labels that the tasks do not know.
        """
        if name not in self.splits:
            split = self._tokenized(name) if self.source.shards(name) is None else self.shards.sample()
            if not self.splits:
                self._attach = self._activations_now()
            self._attach_activations(split, name)
            self.splits[name] = split
        return self.splits[name]

    def fewest_labels(self, name: str) -> int:
        """Return the labels in a split of the task that has the fewest; tasks without any do not count."""
        found = fewest_labels(self.split(name).labels) if self.source.has(name) else None
        return found[1] if found else 0

    def refresh_activations(self) -> None:
        """Replace the stored activations of all splits by those of the parts that are frozen now."""
        self._attach, self._pool = self._activations_now(), None
        for name, split in self.splits.items():
            split.forget_activations()
            self._attach_activations(split, name)

    def _attach_activations(self, split: TokenizedSplit, name: str) -> None:
        """Give a split its stored activations: its own, or those of the pool from which folds choose sentences."""
        if self._attach is None or self.source.shards(name) is not None:
            return
        rows = self.source.rows_in_pool(name)
        if rows is None:
            attach_all(self._attach, split, name)
            return
        if self._pool is None:
            self._pool = self.pool()
            attach_all(self._attach, self._pool, POOL)
        split.take_from(self._pool, rows)

    def pool(self) -> TokenizedSplit:
        """Return the sentences from which folds choose those of a split, tokenized."""
        return TokenizedSplit(self._sentences(POOL), self.text_tokenizer.padding, self._describe(POOL))

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the training batches of an epoch."""

        def done() -> int:
            progress: Any = self.trainer.fit_loop.epoch_loop.batch_progress if self.trainer else None
            # An epoch may be over before its last batch, by limit_train_batches.
            return 0 if progress is None or progress.is_last_batch else int(progress.current.processed)

        if self.source.shards("train") is not None:
            return TrainingLoader(self.shards, self._shard_batches(), done, **self._loader_options())
        batches = self._batches("train", self.loader.batch_size, shuffle=True)
        return TrainingLoader(self.split("train"), batches, done, **self._loader_options())

    @cached_property
    def shards(self) -> TokenizedShards:
        """The training sentences, where they are shards."""
        shards = self.source.shards("train") or Shards((), 1)
        padding, about = self.text_tokenizer.padding, self._describe("train")
        return TokenizedShards(shards, self._read_shard, self.tasks, padding, about)

    def val_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """Return the validation batches; an empty list where there is no validation split."""
        return self.evaluation_loader("validation") if self.source.has("validation") else []

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return the batches of the test set ``test``."""
        return self.evaluation_loader("test")

    def evaluation_loader(self, name: str) -> DataLoader[Batch]:
        """Return the batches of any split, each row once, in an order that is the same each time.

        Args:
            name: of the split: ``validation``, or one of the source's test sets.

        Raises:
            UserError: as :meth:`split`.
        """
        batches = self._batches(name, self.loader.evaluation_batch_size, shuffle=False)
        # The sampler yields whole batches of rows, and the split collates them.
        return DataLoader(self.split(name), sampler=batches, batch_size=None, **self._loader_options())

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Copy a batch to the device, without waiting if that is a GPU, which reads page-locked memory."""
        return batch.to(device, non_blocking=device.type == "cuda")

    def _activations_now(self) -> Attach | None:
        return None if self.activations is None else self.activations()

    def _tokenized(self, name: str) -> TokenizedSplit:
        sentences = self._sentences(name)
        if not len(sentences):
            raise UserError(f"data: the {name} split is empty; it needs at least one sentence")
        if sentences.truncated:
            limit, advice = self.text_tokenizer.limit, self.text_tokenizer.advice
            counts = (sentences.truncated, len(sentences))
            log.warning("%d of %d %s sentences cut to %s; %s", *counts, name, limit, advice)
        classes = {task.name: sentences.labels[task.name] for task in self.tasks if task.kind.one_class}
        if name != "train" and (small := tell_if_small(name, classes)):
            log.warning("%s", small)
        self._findings.tell(sentences, name)
        weights = self.source.weights(name)
        return TokenizedSplit(sentences, self.text_tokenizer.padding, self._describe(name), weights)

    def _describe(self, name: str) -> Description:
        return {**self.description, "data": f"{self.source.describe(name)} {name}"}

    def _sentences(self, name: str) -> TokenizedSentences:
        """Read the tokens of a split from the cache, or tokenize its sentences."""

        def sentences() -> Iterable[LabelledSentence]:
            texts, size = self.source.sentences(name), self.source.size(name)
            if size is not None and Console().is_terminal:
                return track(texts, f"tokenizing {name}", total=size, transient=True)
            return texts

        return self._reader.read(sentences, self.source.fingerprint(name), self._describe(name))

    def _read_shard(self, shard: Shard) -> TokenizedSentences:
        """Read the tokens of a shard from the cache, or tokenize its sentences.

        Raises:
            UserError: a label that its task does not have; with its row.
        """
        description = {**self.description, "data": shard.name}
        try:
            return self._reader.read(shard.sentences, shard.fingerprint(), description)
        except UserError as error:
            raise UserError(shard.unread_label(self.tasks) or str(error)) from error

    def _loader_options(self) -> dict[str, Any]:
        return {"pin_memory": torch.cuda.is_available(), "num_workers": self.loader.workers}

    def _batches(self, name: str, batch_size: int, shuffle: bool) -> LengthGroupedBatchSampler:
        trainer = self.trainer
        rows, processes = len(self.split(name)), trainer.world_size if trainer else 1
        if rows < processes:
            shared = f"{processes} processes share {rows} {name} sentences"
            raise UserError(f"data: {shared}, and each needs one; take fewer processes")
        return LengthGroupedBatchSampler(
            self.split(name).lengths,
            batch_size,
            self.loader.bucket_batches,
            self.loader.seed,
            shuffle,
            rank=trainer.global_rank if trainer else 0,
            processes=processes,
            mixture=self._mixture(name) if shuffle else None,
        )

    def _shard_batches(self) -> ShardedBatchSampler:
        loader, trainer = self.loader, self.trainer
        return ShardedBatchSampler(
            [shard.rows for shard in self.shards.shards.files],
            self.shards.lengths,
            loader.batch_size,
            loader.bucket_batches,
            loader.seed,
            self.shards.shards.window,
            rank=trainer.global_rank if trainer else 0,
            processes=trainer.world_size if trainer else 1,
            at_end=self.shards.tell_seen,
        )

    def _mixture(self, name: str) -> Mixture | Balance | None:
        task = self.loader.balance
        return self.source.mixture(name) if task is None else Balance(self.split(name).labels[task])
