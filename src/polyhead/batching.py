"""Batching: which rows make a batch, and in which order. Knows nothing about their content but the length in tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from polyhead.errors import UserError

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Batching:
    """How large batches are, and how their rows are chosen.

    Args:
        batch_size: sentences a training batch and process.
        evaluation_batch_size: sentences a validation or test batch and process; it keeps no gradients, so it may be
            larger.
        window: batches that are sorted by length together; 1 is a plain shuffle, more pads less.
        seed: of the order of training batches.
        workers: processes a split that put batches together ahead of time; with 0 the training process does it itself.

    Raises:
        UserError: values out of range, all at once.
    """

    batch_size: int
    evaluation_batch_size: int
    window: int
    seed: int
    workers: int

    def __post_init__(self) -> None:
        sizes = {name: getattr(self, name) for name in ("batch_size", "evaluation_batch_size", "window")}
        problems = [f"loader.{name}: {size} given; it must be 1 or more" for name, size in sizes.items() if size < 1]
        for name, value in (("seed", self.seed), ("loader.workers", self.workers)):
            if value < 0:
                problems.append(f"{name}: {value} given; it must be 0 or more")
        if problems:
            raise UserError("\n".join(problems))


class LengthGroupedBatches(Sampler[list[int]]):
    """Batches of rows of similar length, shuffled, so that little is padded and the order stays random.

    Rows are shuffled, cut into windows of ``window`` batches, sorted by length within each window and cut into
    batches, which are shuffled again. The order is a function of (seed, epoch) alone, so a resumed run sees what it
    would have seen.

    With several processes each batch of ``batch_size * processes`` rows is dealt out row by row: every process gets as
    many batches, every row goes to exactly one, and together they see the batches that one process would see with
    the larger batch size. No batch is smaller than the number of processes: a short rest joins the batch before it.

    Args:
        lengths: tokens in each row.
        batch_size: rows a batch and process.
        window: batches that are sorted together; 1 is a plain shuffle, more pads less.
        seed: of the order.
        shuffle: False keeps one order for all epochs, longest rows first, so that memory runs out at once if at all.
        rank: this process, from 0.
        processes: how many share the rows.
    """

    def __init__(
        self,
        lengths: Sequence[int] | Rows,
        batch_size: int,
        window: int,
        seed: int,
        shuffle: bool,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.lengths = np.asarray(lengths, dtype=np.int64)
        self.batch_size = batch_size
        self.window = window
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.processes = processes
        self.epoch = 0
        self.skip = 0  # batches that the next epoch leaves out, because they were trained on before an interruption

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of ``epoch``; Lightning calls it, also on resuming."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._cuts(len(self.lengths))) + 1 if len(self.lengths) else 0

    def __iter__(self) -> Iterator[list[int]]:
        done, self.skip = self.skip, 0
        for batch in self._batches()[done:]:
            yield batch[self.rank :: self.processes].tolist()

    def _batches(self) -> list[Rows]:
        if not len(self.lengths):
            return []
        if not self.shuffle:
            longest_first = np.argsort(-self.lengths, kind="stable")
            return np.split(longest_first, self._cuts(len(longest_first)))
        random = np.random.default_rng([self.seed, self.epoch])
        order = random.permutation(len(self.lengths))
        rows_per_window = self.window * self.batch_size * self.processes
        for start in range(0, len(order), rows_per_window):
            part = order[start : start + rows_per_window]
            order[start : start + rows_per_window] = part[np.argsort(self.lengths[part], kind="stable")]
        batches = np.split(order, self._cuts(len(order)))
        return [batches[i] for i in random.permutation(len(batches))]

    def _cuts(self, rows: int) -> list[int]:
        size = self.batch_size * self.processes
        cuts = list(range(size, rows, size))
        if cuts and rows - cuts[-1] < self.processes:
            cuts.pop()
        return cuts
