"""Statistics: means, paired differences and their certainty. Knows nothing about runs.

Shapes: N rows of a test set, C classes, R resamples, S seeds.
"""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]

LEVEL = 0.95
RESAMPLES = 1000
Numbers = NDArray[np.float64]
Classes = NDArray[np.integer]


@dataclass(frozen=True)
class Mean:
    """A mean over seeds.

    Args:
        value: the mean.
        margin: half the width of its interval; None for a single seed, which says nothing about others.
        count: how many seeds.
    """

    value: float
    margin: float | None
    count: int


@dataclass(frozen=True)
class Difference:
    """A condition's mean less the baseline's, on the same seeds and rows.

    Args:
        value: the mean difference.
        margin: half the width of its interval.
        p: the chance of a difference as large or larger where there is none.
        adjusted_p: ``p`` with respect to all comparisons made.
        seeds: how many both have.
        rows: whether the uncertainty from the choice of test sentences is in it.
    """

    value: float
    margin: float
    p: float
    adjusted_p: float
    seeds: int
    rows: bool

    @property
    def significant(self) -> bool:
        """Whether the difference stands after correction."""
        return self.adjusted_p < 1 - LEVEL

    def not_worse(self, margin: float) -> bool:
        """Whether the whole interval lies above ``-margin``; lack of significance shows no such thing."""
        return self.value - self.margin > -margin


def mean(values: Sequence[float]) -> Mean:
    """Return the mean with Student's t interval over the seeds."""
    count = len(values)
    if count < 2:
        return Mean(float(np.mean(values)), None, count)
    margin = stats.t.ppf((1 + LEVEL) / 2, count - 1) * np.std(values, ddof=1) / math.sqrt(count)
    return Mean(float(np.mean(values)), float(margin), count)


def paired_difference(differences: Sequence[float], row_variance: float | None) -> Difference | None:
    """Compare two conditions over seeds and rows.

    The variance of the mean difference is that between seeds, s²/S, plus that from the choice of rows, which a paired
    bootstrap over the rows gives (:func:`resampled`). The interval and p are those of Student's t with the degrees of
    freedom of Welch and Satterthwaite (Welch 1947): few seeds give wide intervals, as they should, where a bootstrap
    over three seeds would give too narrow ones.

    Args:
        differences: by seed (S,).
        row_variance: of the mean difference, by the choice of rows; None where rows cannot be paired.

    Returns:
        The difference, not yet corrected for others; None if nothing tells how certain it is.
    """
    seeds, value = len(differences), float(np.mean(differences))
    if seeds < 2 and row_variance is None:
        return None
    between = float(np.var(differences, ddof=1)) / seeds if seeds > 1 else 0.0
    variance = between + (row_variance or 0.0)
    freedom = (seeds - 1) * (variance / between) ** 2 if between else math.inf
    error = math.sqrt(variance)
    p = 2 * float(stats.t.sf(abs(value) / error, freedom)) if error else float(value == 0)
    margin = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
    return Difference(value, margin, p, p, seeds, row_variance is not None)


def holm(p: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm 1979): the chance of any false finding stays below the level."""
    order = np.argsort(p)
    steps = np.asarray(p)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(value) for value in adjusted]


def resampled(
    labels: Mapping[str, Classes], predicted: Mapping[str, Classes], metric: str, resamples: int = RESAMPLES
) -> dict[str, Numbers]:
    """Score each task on resampled rows (R,), and ``mean``, the mean over the tasks.

    Equal labels give equal resamples, so that the scores of two runs on the same sentences can be subtracted.

    Args:
        labels: of each task (N,), below 0 where there is none.
        predicted: classes of each task (N,), below 0 where there is none.
        metric: one of :data:`METRICS`.
        resamples: R.
    """
    rows = len(next(iter(labels.values())))
    random = np.random.default_rng([zlib.crc32(np.ascontiguousarray(column).data) for column in labels.values()])
    classes = {task: int(max(column.max(), predicted[task].max())) + 1 for task, column in labels.items()}
    cells = {task: _cells(column, predicted[task], classes[task]) for task, column in labels.items()}
    counts = {task: np.empty((resamples, size * size), dtype=np.int64) for task, size in classes.items()}
    for resample in range(resamples):
        draw = random.integers(rows, size=rows)
        for task, size in classes.items():
            counts[task][resample] = np.bincount(cells[task][draw], minlength=size * size + 1)[:-1]
    scores = {task: METRICS[metric](counts[task].reshape(resamples, size, size)) for task, size in classes.items()}
    return scores | {"mean": np.mean(list(scores.values()), axis=0)}


def _cells(labels: Classes, predicted: Classes, classes: int) -> Classes:
    """Number the cell of the confusion matrix that each row falls in; rows without a label get one number more."""
    counted = (labels >= 0) & (predicted >= 0)
    return np.where(counted, labels.astype(np.int64) * classes + predicted, classes * classes)


def macro_f1(confusion: NDArray[np.int64]) -> Numbers:
    """Return the mean F1 over the classes that occur; confusion matrices (..., C, C) of true and predicted classes."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    occurring = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    scores = 2 * hits / np.maximum(occurring, 1)
    return np.asarray(scores.sum(axis=-1) / np.maximum((occurring > 0).sum(axis=-1), 1))


def accuracy(confusion: NDArray[np.int64]) -> Numbers:
    """Return the share of hits; confusion matrices (..., C, C)."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).sum(axis=-1)
    return np.asarray(hits / np.maximum(confusion.sum(axis=(-2, -1)), 1))


METRICS: dict[str, Callable[[NDArray[np.int64]], Numbers]] = {"macro_f1": macro_f1, "accuracy": accuracy}
