"""Split: some sentences of tables, and how one is made of the sentences of another. Knows nothing about tasks.

Shapes: N sentences of the tables of a split.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import UserError
from polyhead.sources.holdout import choose_folds, choose_holdout, choose_some, explain_share
from polyhead.sources.scan import Scan, Vocabulary, scan
from polyhead.sources.tables import Table
from polyhead.sources.weights import scale_weights, weight_cell

log = logging.getLogger(__name__)


@dataclass
class Split:
    """The sentences of a split: those of its tables that are kept.

    Args:
        scan: of all N sentences of its tables.
        origins: source of each sentence, from 0 (N,).
        kept: True for the sentences of the split (N,).
        bare: True for sentences that were given without labels, which no other split may have (N,); None has none.
    """

    scan: Scan
    origins: NDArray[np.uint16]
    kept: NDArray[np.bool_]
    bare: NDArray[np.bool_] | None = None

    @property
    def movable(self) -> NDArray[np.intp]:
        """Positions of the sentences among all N that another split may have."""
        return np.flatnonzero(self.kept if self.bare is None else self.kept & ~self.bare)

    def move(self, rows: NDArray[np.intp]) -> "Split":
        """Return a split of some of its sentences, which it keeps no longer.

        Args:
            rows: their positions among all N.
        """
        moved = np.zeros_like(self.kept)
        moved[rows] = True
        self.kept &= ~moved
        return Split(self.scan, self.origins, moved)

    def shared_with(self, other: "Split") -> NDArray[np.intp]:
        """Return the positions of its sentences whose texts were found among those of another's tables."""
        found = [rows for scan, rows in self.scan.shared if scan is other.scan]
        return (
            np.flatnonzero(np.isin(np.flatnonzero(self.kept), np.concatenate(found))) if found else np.zeros(0, np.intp)
        )

    def weights(self) -> NDArray[np.float32] | None:
        """Return how much each sentence of the split counts in the loss, 0 to 1; None where all count alike."""
        return None if self.scan.weights is None else scale_weights(self.scan.weights[self.kept])

    def weight_problem(self, column: str | None, most: int) -> str | None:
        """Say which of its sentences have no weight that can be used; None where all have one, or none is asked for.

        Args:
            column: of the weights, as the user calls it.
            most: places to be named; the rest are counted.
        """
        scan = self.scan
        if column is None or scan.weights is None:
            return None
        rows = np.flatnonzero(np.isnan(scan.weights) & self.kept)
        if not len(rows):
            return None
        places = scan.places(rows[:most].tolist()) + (f" and {len(rows) - most:,} more" if len(rows) > most else "")
        first = weight_cell(scan.tables, int(rows[0]))
        count = f"{len(rows):,} weights in {column!r} are no numbers of 0 or more (the first is {first})"
        return f"{places}: {count}; mend them, or leave out data.weight"

    def unlabelled(self, tasks: Sequence[str]) -> Iterator[str]:
        """Yield the tasks for which no sentence of the split has a label."""
        for task in tasks:
            if not (self.scan.codes[task][self.kept] >= 0).any():
                yield task

    def weightless(self, tasks: Sequence[str]) -> Iterator[str]:
        """Yield the tasks whose labelled sentences all have the weight 0."""
        if self.scan.weights is not None:
            yield from Split(self.scan, self.origins, self.kept & (self.scan.weights > 0)).unlabelled(tasks)


def scan_split(
    groups: Sequence[Sequence[Table]],
    unlabelled: Sequence[Sequence[Table]],
    vocabularies: Mapping[str, Vocabulary],
    each_pair: Sequence[str],
) -> Split:
    """Scan the tables of a split.

    Args:
        groups: tables by the source that they belong to.
        unlabelled: tables of sentences that stay in the split.
        vocabularies: of the tasks.
        each_pair: tasks for which each pair of texts has a label.
    """
    found = scan([table for group in (*groups, *unlabelled) for table in group], vocabularies, each_pair)
    sizes = [sum(map(len, group)) for group in (*groups, *unlabelled)]
    origins = np.repeat(np.arange(len(sizes), dtype=np.uint16), sizes)
    kept = np.ones(len(found), dtype=np.bool_)
    kept[found.empty] = False
    return Split(found, origins, kept, origins >= len(groups) if unlabelled else None)


def hold_out(train: Split, name: str, share: float, seed: int) -> Split:
    """Move a share of the training sentences to a split of their own, and log how many.

    Raises:
        UserError: none can be held out.
    """
    rows = train.movable
    texts = train.scan.firsts[rows]
    labels = train.scan.columns(rows)
    held = rows[choose_holdout(texts, labels, share, seed)]
    if not len(held) and len(rows):
        hint = f"give more sentences, or files for {name}"
        raise UserError(f"data: no {name} sentence can be held out, every class has one text alone; {hint}")
    reason = explain_share(texts, len(held), share)
    line = "%s: none given; %s of %s training sentences held out%s"
    log.info(line, name, f"{len(held):,}", f"{len(rows):,}", f", {reason}" if reason else "")
    return train.move(held)


def take_fold(train: Split, folds: int, fold: int, seed: int) -> Split:
    """Move a fold of the training sentences to a split of their own, and log how many."""
    rows = train.movable
    labels = train.scan.columns(rows)
    held = rows[choose_folds(train.scan.firsts[rows], labels, folds, seed) == fold]
    log.info("test: fold %d of %d; %s of %s training sentences", fold, folds, f"{len(held):,}", f"{len(rows):,}")
    return train.move(held)


def take_some(split: Split, name: str, limit: int, seed: int) -> None:
    """Leave out all but some sentences of a split, for a quick try, and log how many."""
    rows = np.flatnonzero(split.kept)
    if len(rows) <= limit:
        return
    labels = split.scan.columns(rows)
    split.kept[rows[~choose_some(len(rows), labels, limit, seed)]] = False
    how = "chosen by data.seed with each class's share (data.limit): for a quick try, not for scores to be reported"
    log.warning("%s: %s of %s sentences, %s", name, f"{limit:,}", f"{len(rows):,}", how)


def check_what_is_left(splits: Mapping[str, Split], tasks: Sequence[str]) -> None:
    """Refuse splits that lost all their sentences, or all labels of a task, since they were inspected.

    Raises:
        UserError: one of them did, a line each.
    """
    problems = []
    see = "see data.drop_test_duplicates, data.limit and data.holdout"
    for name, split in splits.items():
        if not split.kept.any():
            problems.append(f"data: no {name} sentence is left; {see}, or give more")
        elif name in ("train", "validation"):
            missing = [
                f"tasks.{task}: no {name} sentence with a label for it is left" for task in split.unlabelled(tasks)
            ]
            problems += [f"{line}; {see}" for line in missing]
    weightless = [] if problems else list(splits["train"].weightless(tasks))
    for task in weightless:
        problems.append(f"tasks.{task}: all its training sentences have the weight 0; see data.weight")
    if problems:
        raise UserError("\n".join(problems))
