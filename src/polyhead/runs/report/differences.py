"""Differences: settings less a baseline, on the same seeds and the same test rows. Knows nothing about their cost.

Shapes: R resamples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from polyhead.runs.record import OVERALL, RunRecord
from polyhead.runs.report.settings import Condition
from polyhead.runs.report.statistics import Difference, Numbers, holm, paired_difference, resampled

Differences = Mapping[str, Mapping[str, Difference | None]]
"""``{test set: {task: difference}}``; None where nothing tells how certain it is."""


def differences(settings: Sequence[Condition], baseline: Condition, metric: str) -> list[Differences]:
    """Compare each setting with the baseline, and correct for the number of comparisons; the baseline itself has none.

    Args:
        settings: the baseline may be among them.
        baseline: what is subtracted.
        metric: of the scores.
    """
    resamples = _Resamples(metric)
    found = {
        (number, test, task): _difference(setting, baseline, test, task, resamples)
        for number, setting in enumerate(settings)
        if setting is not baseline
        for test, tasks in next(iter(setting.runs.values())).scores(metric).items()
        for task in tasks
    }
    made = {key: difference for key, difference in found.items() if difference is not None}
    corrected = holm([difference.p for difference in made.values()])
    found |= {key: replace(made[key], adjusted_p=p) for key, p in zip(made, corrected, strict=True)}
    tables: list[dict[str, dict[str, Difference | None]]] = [{} for _ in settings]
    for (number, test, task), difference in found.items():
        tables[number].setdefault(test, {})[task] = difference
    return list(tables)


def _difference(
    setting: Condition, baseline: Condition, test: str, task: str, resamples: "_Resamples"
) -> Difference | None:
    by_seed: list[float] = []
    by_rows: list[Numbers] = []
    for replicate in setting.runs.keys() & baseline.runs.keys():
        ours, theirs = setting.runs[replicate], baseline.runs[replicate]
        pair = [run.scores(resamples.metric).get(test, {}).get(task) for run in (ours, theirs)]
        if pair[0] is not None and pair[1] is not None:
            by_seed.append(pair[0] - pair[1])
            difference = resamples.difference(ours, theirs, test, task)
            by_rows += [] if difference is None else [difference]
    if not by_seed:
        return None
    paired = len(by_rows) == len(by_seed)
    return paired_difference(by_seed, float(np.var(np.mean(by_rows, axis=0), ddof=1)) if paired else None)


class _Resamples:
    """Scores of each run on resampled rows, computed once."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self._scores: dict[tuple[str, str], dict[str, Numbers]] = {}

    def difference(self, ours: RunRecord, theirs: RunRecord, test: str, task: str) -> Numbers | None:
        """Subtract the scores (R,) of two runs on the same rows; None where the rows are not the same, or not known."""
        labels = [_columns(record, test, "label") for record in (ours, theirs)]
        same = labels[0].keys() == labels[1].keys() and all(
            np.array_equal(column, labels[1][name]) for name, column in labels[0].items()
        )
        if not same or task not in {*labels[0], OVERALL} or not labels[0]:
            return None
        return self._of(ours, test)[task] - self._of(theirs, test)[task]

    def _of(self, record: RunRecord, test: str) -> dict[str, Numbers]:
        key = str(record.folder), test
        if key not in self._scores:
            labels, predicted = _columns(record, test, "label"), _columns(record, test, "predicted")
            self._scores[key] = resampled(labels, predicted, self.metric)
        return self._scores[key]


def _columns(record: RunRecord, test: str, kind: str) -> dict[str, Any]:
    """Return the predictions' columns of a kind, by task."""
    parts = {name: name.rsplit("/", 2) for name in record.predictions}
    return {task: record.predictions[name] for name, (of, task, what) in parts.items() if (of, what) == (test, kind)}
