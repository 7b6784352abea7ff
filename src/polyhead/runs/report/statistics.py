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

from polyhead.tasks import Kind, SingleLabel, is_labelled

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
        p: the probability of a difference as large or larger where there is none.
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
    value = float(np.mean(values))
    if count < 2:
        return Mean(value, None, count)
    error = float(np.std(values, ddof=1)) / math.sqrt(count)
    return Mean(value, _quantile(count - 1) * error, count)


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
    seeds = len(differences)
    if seeds < 2 and row_variance is None:
        return None
    value = float(np.mean(differences))
    between = float(np.var(differences, ddof=1)) / seeds if seeds > 1 else 0.0
    variance = between + (row_variance or 0.0)
    freedom = (seeds - 1) * (variance / between) ** 2 if between else math.inf
    error = math.sqrt(variance)
    margin = _quantile(freedom) * error
    p = _two_sided_p(value, error, freedom)
    return Difference(value, margin, p, p, seeds, row_variance is not None)


def _quantile(freedom: float) -> float:
    """Return half the width of the interval of Student's t, in standard errors."""
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom))


def _two_sided_p(value: float, error: float, freedom: float) -> float:
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return 2 * float(stats.t.sf(abs(value) / error, freedom))


def holm(p: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm 1979), so that any false finding is as rare as the level says.

    >>> holm([0.25, 0.03125])
    [0.25, 0.0625]
    """
    order = np.argsort(p)
    steps = np.asarray(p)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(value) for value in adjusted]


def resampled(
    labels: Mapping[str, Classes],
    predicted: Mapping[str, Classes],
    metric: str,
    resamples: int = RESAMPLES,
    kinds: Mapping[str, type[Kind]] | None = None,
) -> dict[str, Numbers]:
    """Score each task on resampled rows (R,), and ``mean``, the mean over the tasks.

    Equal labels give equal resamples, so that the scores of two runs on the same sentences can be subtracted.

    Args:
        labels: of each task (N,), or a column for each class (N, C); see :func:`polyhead.tasks.is_labelled`.
        predicted: answers of each task, as its labels are.
        metric: one of :data:`METRICS`.
        resamples: R.
        kinds: of the tasks; None are single labels.
    """
    tables: dict[str, _Table | _Answers] = {}
    for task, column in labels.items():
        kind = (kinds or {}).get(task, SingleLabel)
        counted = kind.one_class and (metric != "score" or kind.name == SingleLabel.name)
        tables[task] = (
            _Table(column, predicted[task], resamples) if counted else _Answers(kind, column, predicted[task])
        )
    seeds = [zlib.crc32(np.ascontiguousarray(column).data) for column in labels.values()]
    random = np.random.default_rng(seeds)
    rows = len(next(iter(labels.values())))
    for resample in range(resamples):
        draw = random.integers(rows, size=rows)
        for table in tables.values():
            table.count(resample, draw)
    scores = {task: table.scores(metric) for task, table in tables.items()}
    return scores | {"mean": np.mean(list(scores.values()), axis=0)}


class _Table:
    """The confusion matrices (R, C, C) of a task's resamples.

    Args:
        labels: (N,), below 0 where there is none.
        predicted: (N,), below 0 where there is none.
        resamples: R.
    """

    def __init__(self, labels: Classes, predicted: Classes, resamples: int) -> None:
        classes = int(max(labels.max(), predicted.max())) + 1
        self.cells = _cells(labels, predicted, classes)
        self.confusions = np.empty((resamples, classes, classes), dtype=np.int64)

    def count(self, resample: int, draw: NDArray[np.int64]) -> None:
        """Count the rows of a draw (N,) by cell."""
        confusion = self.confusions[resample]
        counts = np.bincount(self.cells[draw], minlength=confusion.size + 1)
        confusion[:] = counts[:-1].reshape(confusion.shape)

    def scores(self, metric: str) -> Numbers:
        """Return a metric of each resample (R,)."""
        return METRICS[metric](self.confusions)


class _Answers:
    """The headline scores of a task's resamples, of several labels their macro-F1.

    Args:
        kind: of the task.
        labels: (N,) or (N, C).
        predicted: as the labels.
    """

    def __init__(self, kind: type[Kind], labels: Classes, predicted: Classes) -> None:
        self.kind = kind()
        self.counted = is_labelled(labels) & is_labelled(predicted)  # (N,)
        self.labels, self.predicted = labels, predicted
        self.found: list[float] = []

    def count(self, resample: int, draw: NDArray[np.int64]) -> None:
        """Score the rows of a draw (N,)."""
        rows = draw[self.counted[draw]]
        self.found.append(self.kind.score(self.labels[rows], self.predicted[rows]) if len(rows) else 0.0)

    def scores(self, metric: str) -> Numbers:
        """Return the headline score of each resample (R,)."""
        return np.asarray(self.found)


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


METRICS: dict[str, Callable[[NDArray[np.int64]], Numbers]] = {
    "macro_f1": macro_f1,
    "accuracy": accuracy,
    "score": macro_f1,
}
"""Name -> what it is of confusion matrices; ``score`` is the headline of each kind, of single labels macro-F1."""
