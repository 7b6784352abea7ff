"""Samplers: the rows of each batch, and their order. Knows nothing about the rows but their lengths in tokens."""

import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from polyhead.errors import check_parameters
from polyhead.sources.mixing import Balance, Mixture

_MOST_WORKERS = 64  # on machines with fewer cores; each is a process

Rows = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class LoaderSettings:
    """Sizes and order of batches.

    Args:
        batch_size: sentences per training batch and process.
        evaluation_batch_size: sentences per validation or test batch and process; no gradients are kept for them, so
            it may be larger.
        bucket_batches: batches that are sorted by length together; 1 is a plain shuffle, more pads less.
        seed: of the order of training batches.
        workers: processes per split that collate batches ahead of time; with 0 the training process does it itself.
        balance: task whose classes come equally often in training; None has each sentence once per epoch.

    Raises:
        ParameterError: values out of range, all at once.
    """

    batch_size: int = 32
    evaluation_batch_size: int = 128
    bucket_batches: int = 50
    seed: int = 0
    workers: int = 0
    balance: str | None = None

    def __post_init__(self) -> None:
        most = max(_MOST_WORKERS, os.cpu_count() or 1)
        sizes = ("batch_size", "evaluation_batch_size", "bucket_batches")
        check_parameters(
            *((name, getattr(self, name), getattr(self, name) >= 1, "1 or more") for name in sizes),
            ("seed", self.seed, self.seed >= 0, "0 or more"),
            ("workers", self.workers, 0 <= self.workers <= most, f"0 to {most}"),
        )


class EpochSampler(Sampler[list[int]]):
    """Batches whose order is a function of the epoch, some of which a resumed run leaves out.

    Attributes:
        epoch: whose order it is.
        skip: batches that the next epoch leaves out: they were trained on before an interruption.
    """

    epoch = 0
    skip = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of ``epoch``; Lightning calls it, also on resuming."""
        self.epoch = epoch

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of batches of an epoch, those that are left out included."""


class LengthGroupedBatchSampler(EpochSampler):
    """Batches of rows of similar length in random order, so that little is padded.

    Rows are shuffled, cut into buckets of ``bucket_batches`` batches, sorted by length within each bucket and cut into
    batches, which are shuffled again. The order is a function of (seed, epoch) alone, so a resumed run sees the batches
    that it would have seen.

    With several processes each batch of ``batch_size * processes`` rows is dealt out row by row: all processes get the
    same number of batches, every row goes to exactly one process, and together they see the batches that one process
    would see with the larger batch size. No batch is smaller than the number of processes: a shorter rest joins the
    batch before it.

    Args:
        lengths: tokens of each row (N,).
        batch_size: rows per batch and process.
        bucket_batches: batches that are sorted by length together; 1 is a plain shuffle, more pads less.
        seed: of the order.
        shuffle: False keeps one order for all epochs, longest rows first, so that memory runs out at once if at all.
        rank: index of this process, from 0.
        processes: number of processes that share the rows.
        mixture: draws the rows of an epoch, N of them; None takes each row once.
    """

    def __init__(
        self,
        lengths: Sequence[int] | Rows,
        batch_size: int,
        bucket_batches: int,
        seed: int,
        shuffle: bool,
        rank: int = 0,
        processes: int = 1,
        mixture: Mixture | Balance | None = None,
    ) -> None:
        self.lengths = np.asarray(lengths, dtype=np.int32)
        self.batch_size = batch_size
        self.bucket_batches = bucket_batches
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.processes = processes
        self.mixture = mixture

    def __len__(self) -> int:
        return len(self._starts())

    def __iter__(self) -> Iterator[list[int]]:
        done, self.skip = self.skip, 0
        random = np.random.default_rng([self.seed, self.epoch])
        order = self._shuffled(random) if self.shuffle else np.argsort(-self.lengths, kind="stable")
        starts = self._starts()
        ends = [*starts[1:], len(order)]
        sequence = random.permutation(len(starts)) if self.shuffle else np.arange(len(starts))
        for batch in sequence[done:]:
            rows = order[starts[batch] : ends[batch]]
            yield rows[self.rank :: self.processes].tolist()

    def _shuffled(self, random: np.random.Generator) -> Rows:
        """Return the rows of an epoch (N,), sorted by length within buckets."""
        kind = np.int32 if len(self.lengths) < 2**31 else np.int64  # half the memory, and the same order
        rows = np.arange(len(self.lengths), dtype=kind) if self.mixture is None else self.mixture.draw(random)
        order: Rows = random.permutation(rows)
        bucket_size = self.bucket_batches * self.batch_size * self.processes
        for start in range(0, len(order), bucket_size):
            bucket = order[start : start + bucket_size]
            by_length = np.argsort(self.lengths[bucket], kind="stable")
            order[start : start + bucket_size] = bucket[by_length]
        return order

    def _starts(self) -> range:
        """Return where each batch begins."""
        size = self.batch_size * self.processes
        starts = range(0, len(self.lengths), size)
        short = len(starts) > 1 and len(self.lengths) - starts[-1] < self.processes
        return starts[:-1] if short else starts
