"""Batching: which rows make a batch, and in which order. Knows nothing about their content but the length in tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from polyhead.errors import UserError
from polyhead.sources.mixing import Mixture

Rows = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class LoaderSettings:
    """How large batches are, and how their rows are chosen.

    Args:
        batch_size: sentences a training batch and process.
        evaluation_batch_size: sentences a validation or test batch and process; it keeps no gradients, so it may be
            larger.
        bucket_batches: batches that are sorted by length together; 1 is a plain shuffle, more pads less.
        seed: of the order of training batches.
        workers: processes a split that put batches together ahead of time; with 0 the training process does it itself.

    Raises:
        UserError: values out of range, all at once.
    """

    batch_size: int
    evaluation_batch_size: int
    bucket_batches: int
    seed: int
    workers: int

    def __post_init__(self) -> None:
        sizes = {name: getattr(self, name) for name in ("batch_size", "evaluation_batch_size", "bucket_batches")}
        problems = [f"loader.{name}: {size} given; it must be 1 or more" for name, size in sizes.items() if size < 1]
        for name, value in (("seed", self.seed), ("loader.workers", self.workers)):
            if value < 0:
                problems.append(f"{name}: {value} given; it must be 0 or more")
        if problems:
            raise UserError("\n".join(problems))


class LengthGroupedBatchSampler(Sampler[list[int]]):
    """Batches of rows of similar length, shuffled, so that little is padded and the order stays random.

    Rows are shuffled, cut into buckets of ``bucket_batches`` batches, sorted by length within each bucket and cut into
    batches, which are shuffled again. The order is a function of (seed, epoch) alone, so a resumed run sees what it
    would have seen.

    With several processes each batch of ``batch_size * processes`` rows is dealt out row by row: every process gets as
    many batches, every row goes to exactly one, and together they see the batches that one process would see with
    the larger batch size. No batch is smaller than the number of processes: a short rest joins the batch before it.

    Args:
        lengths: tokens in each row.
        batch_size: rows a batch and process.
        bucket_batches: batches that are sorted together; 1 is a plain shuffle, more pads less.
        seed: of the order.
        shuffle: False keeps one order for all epochs, longest rows first, so that memory runs out at once if at all.
        rank: this process, from 0.
        processes: how many share the rows.
        mixture: draws the rows of an epoch, which are as many; None takes each once.
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
        mixture: Mixture | None = None,
    ) -> None:
        self.lengths = np.asarray(lengths, dtype=np.int32)
        self.batch_size = batch_size
        self.bucket_batches = bucket_batches
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.processes = processes
        self.mixture = mixture
        self.epoch = 0
        self.skip = 0  # batches that the next epoch leaves out, because they were trained on before an interruption

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of ``epoch``; Lightning calls it, also on resuming."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._starts())

    def __iter__(self) -> Iterator[list[int]]:
        done, self.skip = self.skip, 0
        random = np.random.default_rng([self.seed, self.epoch])
        order = self._shuffled(random) if self.shuffle else np.argsort(-self.lengths, kind="stable")
        starts = self._starts()
        sequence = random.permutation(len(starts)) if self.shuffle else np.arange(len(starts))
        for batch in sequence[done:]:
            end = starts[batch + 1] if batch + 1 < len(starts) else len(order)
            yield order[starts[batch] : end][self.rank :: self.processes].tolist()

    def _shuffled(self, random: np.random.Generator) -> NDArray[np.integer[Any]]:
        """Return the rows of an epoch, sorted by length within buckets."""
        kind = np.int32 if len(self.lengths) < 2**31 else np.int64  # half the memory, and the same order
        rows = np.arange(len(self.lengths), dtype=kind) if self.mixture is None else self.mixture.draw(random)
        order = random.permutation(rows)
        bucket_rows = self.bucket_batches * self.batch_size * self.processes
        for start in range(0, len(order), bucket_rows):
            part = order[start : start + bucket_rows]
            order[start : start + bucket_rows] = part[np.argsort(self.lengths[part], kind="stable")]
        return order

    def _starts(self) -> range:
        """Return where each batch begins."""
        size = self.batch_size * self.processes
        starts = range(0, len(self.lengths), size)
        short = len(starts) > 1 and len(self.lengths) - starts[-1] < self.processes
        return starts[:-1] if short else starts
