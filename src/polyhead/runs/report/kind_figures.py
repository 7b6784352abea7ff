"""Kind figures: what figure a task has by its kind, with its data. Knows nothing about how it is drawn.

Single labels and ordinal classes have their confusion matrices as tables; see :mod:`polyhead.runs.report.page`.
Shapes: n labelled rows of a test set.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyhead.runs.report.class_scores import ClassScores, class_scores
from polyhead.runs.report.comparison import Row
from polyhead.runs.report.differences import labels_of
from polyhead.tasks import is_labelled

MOST_POINTS = 1000
"""Rows that a scatter shows; more make a blot, and a large page."""

MOST_BARS = 12
"""Labels whose bars can be read in one figure."""


@dataclass(frozen=True)
class Scatter:
    """True and predicted numbers of a task, of the first run of a condition.

    Args:
        row: of the condition.
        test_set: on which.
        task: whose numbers.
        truth: (n,), at most ``MOST_POINTS`` of them.
        predicted: (n,).
    """

    row: Row
    test_set: str
    task: str
    truth: NDArray[np.floating]
    predicted: NDArray[np.floating]


@dataclass(frozen=True)
class Bars:
    """F1 of each label of a task, by condition.

    Args:
        test_set: on which.
        task: whose labels.
        lines: one for each label, the best ``MOST_BARS`` of the first condition.
    """

    test_set: str
    task: str
    lines: Sequence[ClassScores]


def scatters(rows: Sequence[Row]) -> Iterator[Scatter]:
    """Yield the scatters of all tasks that predict numbers, of the first run of each row."""
    for row in rows:
        run = next(iter(row.condition.runs.values()))
        shown = [task for task, kind in run.kinds.items() if kind.figure == "scatter"]
        for test_set in run.predictions.labels:
            labels, predicted = labels_of(run, test_set), run.predictions.predicted[test_set]
            for task in [task for task in shown if task in labels]:
                known = np.flatnonzero(is_labelled(labels[task]) & is_labelled(predicted[task]))
                if len(known) > MOST_POINTS:
                    known = known[np.linspace(0, len(known) - 1, MOST_POINTS).astype(np.int64)]
                if len(known):
                    yield Scatter(row, test_set, task, labels[task][known], predicted[task][known])


def bars(rows: Sequence[Row]) -> Iterator[Bars]:
    """Yield the bars of all tasks with several labels."""
    kinds = {task: kind for row in rows for run in row.condition.runs.values() for task, kind in run.kinds.items()}
    found: dict[tuple[str, str], list[ClassScores]] = {}
    for line in class_scores(rows):
        if kinds[line.task].figure == "bars":
            found.setdefault((line.test_set, line.task), []).append(line)
    for (test_set, task), lines in found.items():
        yield Bars(test_set, task, sorted(lines, key=_first, reverse=True)[:MOST_BARS])


def _first(line: ClassScores) -> float:
    return next((score.value for score in line.scores if score is not None), 0.0)
