"""Shard sampler: the rows of each batch where rows lie in shards. Knows nothing about the rows but their lengths.

Shapes: N rows of all shards, W rows of a window.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from polyhead.data.samplers import EpochSampler
from polyhead.errors import UserError, check_parameters

PIECES = 8
"""Pieces of a window, which come from as many shards where there are."""


@dataclass(frozen=True)
class Piece:
    """Rows of a shard that follow each other.

    Args:
        shard: its number.
        start: first row.
        stop: the row after the last.
        of: rows of the shard.
    """

    shard: int
    start: int
    stop: int
    of: int

    def __len__(self) -> int:
        return self.stop - self.start

    def among(self, sentences: int) -> tuple[int, int]:
        """Return which of a shard's sentences are this piece's, where rows without a text were left out.

        All pieces of the shard together have each sentence once.
        """
        return self.start * sentences // self.of, self.stop * sentences // self.of


class ShardedBatchSampler(EpochSampler):
    """Batches of rows of similar length, in an order that is a function of (seed, epoch, rank, processes).

    Each process has as many rows as the others, but for one: the rows of all shards, one shard after the other, are
    cut into equal ranges. It opens the shards of its range alone, each epoch the same ones. Its rows are cut into
    pieces, an eighth of a window or a whole shard; the pieces are shuffled, about eight make a window, and in a window
    all rows are shuffled and grouped by length as :class:`LengthGroupedBatchSampler` does. So the memory is that of a
    window, whatever the number of rows, and the files of a piece are needed when its window comes, not before.

    The number of batches follows from the numbers of rows alone. A resumed run leaves out windows without opening them.

    Args:
        rows: of each shard.
        lengths: piece -> numbers of its sentences in the batches' lists, and their tokens, both (W,).
        batch_size: rows per batch and process; a batch may have one more, or where texts are missing fewer.
        bucket_batches: batches that are sorted by length together.
        seed: of the order.
        window: rows that are shuffled together, about: some more, and twice as many at most.
        rank: index of this process, from 0.
        processes: number of processes that share the rows.
        at_end: called after the last batch of an epoch.

    Raises:
        ParameterError: a window that is no larger than a batch.
        UserError: fewer rows than processes.
    """

    def __init__(
        self,
        rows: Sequence[int],
        lengths: Callable[[Piece], tuple[NDArray[np.int64], NDArray[np.int32]]],
        batch_size: int,
        bucket_batches: int,
        seed: int,
        window: int,
        rank: int = 0,
        processes: int = 1,
        at_end: Callable[[], None] | None = None,
    ) -> None:
        least = 2 * batch_size
        check_parameters(("window", window, window >= least, f"{least} or more: two batches"))
        self.total = sum(rows)
        if self.total < processes:
            shared = f"{processes} processes share {self.total} train rows"
            raise UserError(f"data: {shared}, and each needs one; take fewer processes")
        self.lengths = lengths
        self.batch_size = batch_size
        self.bucket_batches = bucket_batches
        self.seed = seed
        self.window = window
        self.rank = rank
        self.processes = processes
        self.at_end = at_end
        self.pieces = cut_pieces(
            rows, self.total * rank // processes, self.total * (rank + 1) // processes, -(-window // PIECES)
        )
        self.batches = -(-(self.total // processes) // batch_size)  # the same for each process, rounded up

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        skip, self.skip = self.skip, 0
        for number, (pieces, batches) in enumerate(self.windows(self.epoch)):
            if skip >= batches:
                skip -= batches
                continue
            random = np.random.default_rng([self.seed, self.epoch, self.rank, number])
            yield from self._batches_of(pieces, batches, random, skip)
            skip = 0
        if self.at_end is not None:
            self.at_end()

    def windows(self, epoch: int) -> list[tuple[list[Piece], int]]:
        """Return the pieces of each window of an epoch, in their order, and how many batches it has."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.pieces))
        windows: list[list[Piece]] = [[]]
        for index in order.tolist():
            if sum(map(len, windows[-1])) >= self.window:
                windows.append([])
            windows[-1].append(self.pieces[index])
        if len(windows) > 1 and sum(map(len, windows[-1])) < self.window:  # a rest would be shuffled badly
            rest = windows.pop()
            windows[-1] += rest
        sizes = [sum(map(len, pieces)) for pieces in windows]
        ends = [end * self.batches // sum(sizes) for end in accumulate(sizes)]
        return [(pieces, end - start) for pieces, start, end in zip(windows, [0, *ends], ends, strict=False)]

    def _batches_of(
        self, pieces: Sequence[Piece], batches: int, random: np.random.Generator, skip: int
    ) -> Iterator[list[int]]:
        found = [self.lengths(piece) for piece in pieces]
        rows, lengths = np.concatenate([rows for rows, _ in found]), np.concatenate([tokens for _, tokens in found])
        if len(rows) < batches:
            raise UserError(
                f"data: {sum(map(len, pieces)):,} train rows, and {len(rows):,} have a text; mend the shards"
            )
        del found
        order = random.permutation(len(rows))  # (W,)
        edges = np.arange(batches + 1) * len(rows) // batches
        for start in range(0, batches, self.bucket_batches):
            bucket = slice(edges[start], edges[min(batches, start + self.bucket_batches)])
            order[bucket] = order[bucket][np.argsort(lengths[order[bucket]], kind="stable")]
        for batch in random.permutation(batches)[skip:].tolist():
            yield rows[order[edges[batch] : edges[batch + 1]]].tolist()


def cut_pieces(rows: Sequence[int], start: int, stop: int, size: int) -> list[Piece]:
    """Cut a range of the rows of all shards, one after the other, into pieces of at most ``size`` rows of one shard."""
    pieces = []
    before = 0
    for shard, count in enumerate(rows):
        first, last = max(0, start - before), min(count, stop - before)
        parts = max(1, -(-(last - first) // size))
        edges = [first + (last - first) * part // parts for part in range(parts + 1)] if first < last else []
        pieces += [Piece(shard, low, high, count) for low, high in pairwise(edges)]
        before += count
    return pieces
