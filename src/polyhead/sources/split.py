"""Split: some sentences of tables, and how one is made of the sentences of another. Knows nothing about tasks.

Shapes: N sentences of the tables of a split.
"""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import UserError
from polyhead.sources.holdout import choose_folds, choose_holdout, explain_share
from polyhead.sources.scan import Scan

log = logging.getLogger(__name__)


@dataclass
class Split:
    """The sentences of a split: those of its tables that are kept.

    Args:
        scan: of all N sentences of its tables.
        origins: source of each sentence, from 0 (N,).
        kept: True for the sentences of the split (N,).
    """

    scan: Scan
    origins: NDArray[np.uint16]
    kept: NDArray[np.bool_]

    def move(self, rows: NDArray[np.intp]) -> "Split":
        """Return a split of some of its sentences, which it keeps no longer.

        Args:
            rows: their positions among all N.
        """
        moved = np.zeros_like(self.kept)
        moved[rows] = True
        self.kept &= ~moved
        return Split(self.scan, self.origins, moved)


def hold_out(train: Split, name: str, share: float, seed: int) -> Split:
    """Move a share of the training sentences to a split of their own, and log how many.

    Raises:
        UserError: none can be held out.
    """
    rows = np.flatnonzero(train.kept)
    texts = train.scan.texts[rows]
    labels = [codes[rows] for codes in train.scan.codes.values()]
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
    rows = np.flatnonzero(train.kept)
    labels = [codes[rows] for codes in train.scan.codes.values()]
    held = rows[choose_folds(train.scan.texts[rows], labels, folds, seed) == fold]
    log.info("test: fold %d of %d; %s of %s training sentences", fold, folds, f"{len(held):,}", f"{len(rows):,}")
    return train.move(held)
