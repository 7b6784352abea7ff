"""Differences: conditions less a baseline, on the same seeds and the same test rows. Knows nothing about their cost.

Shapes: N rows of a test set, R resamples.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyhead.runs.predictions import Classes
from polyhead.runs.record import OVERALL, RunRecord
from polyhead.runs.report.conditions import Condition
from polyhead.runs.report.statistics import Difference, Numbers, holm, paired_difference, resampled
from polyhead.tasks import is_labelled

Differences = Mapping[str, Mapping[str, Difference | None]]
"""``{test set: {task: difference}}``; None where nothing tells how certain it is."""


def differences(conditions: Sequence[Condition], baseline: Condition, metric: str) -> list[Differences]:
    """Compare each condition with the baseline, and correct for the number of comparisons; the baseline has none.

    Args:
        conditions: the baseline may be among them.
        baseline: the condition whose scores are subtracted.
        metric: of the scores.
    """
    resamples = _Resamples(metric)
    found: dict[_Cell, Difference | None] = {}
    for number, condition in enumerate(conditions):
        if condition is not baseline:
            for test_set, task in _measured(condition, metric):
                difference = _difference(condition, baseline, test_set, task, resamples)
                found[_Cell(number, test_set, task)] = difference
    made = {cell: difference for cell, difference in found.items() if difference is not None}
    corrected = holm([difference.p for difference in made.values()])
    found |= {cell: replace(made[cell], adjusted_p=p) for cell, p in zip(made, corrected, strict=True)}
    tables: list[dict[str, dict[str, Difference | None]]] = [{} for _ in conditions]
    for cell, difference in found.items():
        tables[cell.condition].setdefault(cell.test_set, {})[cell.task] = difference
    return list(tables)


@dataclass(frozen=True)
class _Cell:
    condition: int
    test_set: str
    task: str


def _measured(condition: Condition, metric: str) -> Iterator[tuple[str, str]]:
    """Yield each test set and task that any run of a condition has a score for, once."""
    cells = {
        (test_set, task): None
        for run in condition.runs.values()
        for test_set, scores in run.scores(metric).items()
        for task in scores
    }
    yield from cells


def _difference(
    condition: Condition, baseline: Condition, test_set: str, task: str, resamples: "_Resamples"
) -> Difference | None:
    by_seed: list[float] = []
    by_rows: list[Numbers] = []
    for replicate in condition.runs.keys() & baseline.runs.keys():
        ours, theirs = condition.runs[replicate], baseline.runs[replicate]
        score, other = (run.scores(resamples.metric).get(test_set, {}).get(task) for run in (ours, theirs))
        if score is None or other is None:
            continue
        by_seed.append(score - other)
        difference = resamples.difference(ours, theirs, test_set, task)
        if difference is not None:
            by_rows.append(difference)
    if not by_seed:
        return None
    paired = len(by_rows) == len(by_seed)
    return paired_difference(by_seed, _variance_of_mean(by_rows) if paired else None)


def _variance_of_mean(by_rows: Sequence[Numbers]) -> float:
    """Return the variance over the resamples of the mean over the seeds; one array (R,) for each seed."""
    return float(np.var(np.mean(by_rows, axis=0), ddof=1))


class _Resamples:
    """Scores of each run on resampled rows, computed once."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self._scores: dict[tuple[str, str], dict[str, Numbers]] = {}

    def difference(self, ours: RunRecord, theirs: RunRecord, test_set: str, task: str) -> Numbers | None:
        """Subtract the scores (R,) of two runs on the same rows; None where the rows are not the same, or not known."""
        labels, other_labels = labels_of(ours, test_set), labels_of(theirs, test_set)
        if not labels or not same_labels(labels, other_labels) or task not in {*labels, OVERALL}:
            return None
        return self._of(ours, test_set)[task] - self._of(theirs, test_set)[task]

    def _of(self, record: RunRecord, test_set: str) -> dict[str, Numbers]:
        key = str(record.folder), test_set
        if key not in self._scores:
            predicted = record.predictions.predicted[test_set]
            self._scores[key] = resampled(labels_of(record, test_set), predicted, self.metric, kinds=record.kinds)
        return self._scores[key]


def labels_of(record: RunRecord, test_set: str) -> Mapping[str, Classes]:
    """Return the labels (N,) of the tasks that the test set has labels for; no other task was measured on it."""
    tasks = record.predictions.labels.get(test_set, {})
    return {task: labels for task, labels in tasks.items() if is_labelled(labels).any()}


def same_labels(labels: Mapping[str, Classes], others: Mapping[str, Classes]) -> bool:
    """Return whether two runs have the same labels (N,) for the same tasks."""
    if labels.keys() != others.keys():
        return False
    return all(_equal(column, others[task]) for task, column in labels.items())


def _equal(labels: Classes, others: Classes) -> bool:
    return np.array_equal(labels, others, equal_nan=labels.dtype.kind == "f" and others.dtype.kind == "f")
