"""Comparison: settings side by side, in quality and cost. Knows nothing about how it is shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from polyhead.errors import UserError
from polyhead.runs.report.differences import Differences, differences
from polyhead.runs.record import DONE, OVERALL, RunRecord, flat
from polyhead.runs.report.settings import Condition, group
from polyhead.runs.report.statistics import METRICS, Mean, mean


@dataclass(frozen=True)
class Row:
    """One setting.

    Args:
        number: its rank by the validation score, from 1.
        setting: what tells it from the others, and its runs.
        validation: score over the tasks, by which models and settings are chosen.
        scores: test set -> task or ``mean`` -> score.
        differences: the same, less the baseline's; None where nothing tells how certain a difference is.
        costs: name -> mean over the runs; what no run measured is left out.
        features: how many splits came from the feature store and how many could have; None where none were stored.
        confusion: test set -> task -> true class -> predicted class -> sentences of all runs.
        conflict: what the runs noted about the tasks' gradients, averaged.
        front: no other setting is both better and cheaper in seconds.
    """

    number: int
    setting: Condition
    validation: Mean
    scores: Mapping[str, Mapping[str, Mean]]
    differences: Differences
    costs: Mapping[str, float]
    features: tuple[int, int] | None
    confusion: Mapping[str, Mapping[str, Mapping[str, Sequence[int]]]]
    conflict: Mapping[str, float]
    front: bool


@dataclass(frozen=True)
class Comparison:
    """Settings side by side, the best by validation first.

    Args:
        metric: that all scores are.
        over: the configuration keys that were averaged over.
        rows: one a setting.
        baseline: what the others are compared with.
        tests: test set -> its tasks, ``mean`` first.
        records: all runs, those that are not done, too.
        replaced: runs that a later one of the same configuration and seed replaces.
    """

    metric: str
    over: Sequence[str]
    rows: Sequence[Row]
    baseline: Row | None
    tests: Mapping[str, Sequence[str]]
    records: Sequence[RunRecord]
    replaced: Sequence[RunRecord]

    @property
    def best(self) -> Row | None:
        """The best by validation."""
        return self.rows[0] if self.rows else None

    @property
    def devices(self) -> list[str]:
        """Where and in which precision the runs were made; times compare within one of them only."""
        done = [record for record in self.records if record.status == DONE]
        return sorted({f"{record.metrics['precision']} on {record.metrics['device']}" for record in done})


def compare(
    records: Sequence[RunRecord], metric: str = "macro_f1", over: Sequence[str] = ("seed",), baseline: str | None = None
) -> Comparison:
    """Compare runs.

    Args:
        records: of any runs; those that are done count.
        metric: one of :data:`polyhead.runs.report.statistics.METRICS`.
        over: configuration keys to average over.
        baseline: ``column=value`` pairs that one setting alone has; the best by validation if None.

    Raises:
        UserError: no setting, or more than one, is what ``baseline`` says.
    """
    if metric not in METRICS:
        raise UserError(f"metric: {metric!r} given; valid: {', '.join(METRICS)}")
    settings, replaced = group(records, over)
    settings.sort(key=lambda setting: -_validation(setting, metric).value)
    rows = [_row(number, setting, metric) for number, setting in enumerate(settings, start=1)]
    front = pareto_front([(row.costs["seconds"], _headline(row)) for row in rows])
    rows = [replace(row, front=on_front) for row, on_front in zip(rows, front, strict=True)]
    reference = _baseline(rows, baseline)
    if reference is not None:
        found = differences([row.setting for row in rows], reference.setting, metric)
        rows = [replace(row, differences=compared) for row, compared in zip(rows, found, strict=True)]
        reference = rows[reference.number - 1]
    tests: dict[str, dict[str, None]] = {}
    for row in rows:
        for test, scores in row.scores.items():
            tests.setdefault(test, {}).update(dict.fromkeys(scores))
    ordered = {test: sorted(tasks, key=lambda task: task != OVERALL) for test, tasks in tests.items()}
    return Comparison(metric, over, rows, reference, ordered, records, replaced)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell of each (cost, quality) whether no other costs as little and is better, or is as good and costs less."""
    return [
        not any(
            other_cost <= cost and other_quality >= quality and (other_cost, other_quality) != (cost, quality)
            for other_cost, other_quality in points
        )
        for cost, quality in points
    ]


def _headline(row: Row) -> float:
    return next(iter(row.scores.values()))[OVERALL].value


def _validation(setting: Condition, metric: str) -> Mean:
    return mean([run.validation_score(metric) for run in setting.runs.values()])


def _row(number: int, setting: Condition, metric: str) -> Row:
    runs = list(setting.runs.values())
    by_run = [run.scores(metric) for run in runs]
    scores = {
        test: {task: mean([scores[test][task] for scores in by_run if test in scores]) for task in tasks}
        for test, tasks in by_run[0].items()
    }
    costs = _means({name: [run.costs()[name] for run in runs] for name in runs[0].costs()})
    conflicts = [flat(run.metrics.get("conflict") or {}) for run in runs]
    conflict = _means({name: [values.get(name) for values in conflicts] for name in conflicts[0]})
    validation = _validation(setting, metric)
    return Row(number, setting, validation, scores, {}, costs, _features(runs), _confusion(runs), conflict, front=False)


def _means(columns: Mapping[str, Iterable[Any]]) -> dict[str, float]:
    numbers = {name: [value for value in values if isinstance(value, int | float)] for name, values in columns.items()}
    return {name: float(np.mean(values)) for name, values in numbers.items() if values}


def _features(runs: Sequence[RunRecord]) -> tuple[int, int] | None:
    counts = [run.metrics.get("features") or {} for run in runs]
    reused, computed = (sum(count.get(how, 0) for count in counts) for how in ("reused", "computed"))
    return (reused, reused + computed) if reused + computed else None


def _confusion(runs: Sequence[RunRecord]) -> dict[str, dict[str, dict[str, list[int]]]]:
    tables: dict[str, dict[str, dict[str, list[int]]]] = {}
    for test, tasks in runs[0].tests.items():
        for task, values in tasks.items():
            counts = sum(np.asarray(run.tests[test][task]["confusion"]) for run in runs if test in run.tests)
            labelled = zip(values["f1"], np.asarray(counts).tolist(), strict=True)
            tables.setdefault(test, {})[task] = dict(labelled)
    return tables


def _baseline(rows: Sequence[Row], wanted: str | None) -> Row | None:
    if wanted is None:
        return rows[0] if rows else None
    pairs = dict(pair.split("=", 1) for pair in wanted.split() if "=" in pair)
    fitting = [row for row in rows if pairs and pairs.items() <= row.setting.values.items()]
    if len(fitting) != 1:
        found = "no setting is" if not fitting else f"{len(fitting)} settings are"
        raise UserError(f"baseline: {found} {wanted!r}; there are: {'; '.join(row.setting.name for row in rows)}")
    return fitting[0]
