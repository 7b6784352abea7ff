"""Comparison: conditions side by side, in quality and cost. Knows nothing about how it is shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyhead.errors import UserError, did_you_mean
from polyhead.runs.record import OVERALL, RunRecord, flat
from polyhead.runs.report.conditions import Condition, group
from polyhead.runs.report.differences import Differences, differences
from polyhead.runs.report.notes import notes
from polyhead.runs.report.statistics import METRICS, Mean, mean
from polyhead.runs.status import DONE
from polyhead.tasks import overall

Confusion = Mapping[str, Mapping[str, Mapping[str, Sequence[int]]]]
"""``{test set: {task: {true class: sentences by predicted class}}}``."""


@dataclass(frozen=True)
class Row:
    """One condition.

    Args:
        number: its rank by the validation score, from 1.
        condition: its values and its runs.
        validation: score over the tasks, by which models and conditions are chosen.
        scores: test set -> task or ``mean`` -> score.
        differences: the same, less the baseline's; None where nothing tells how certain a difference is.
        costs: name -> mean over the runs; costs that no run measured are left out.
        activations: how many splits took their frozen activations from the cache and how many could have; None where
            none were kept.
        confusion: sentences of all runs.
        conflict: measures of how the tasks' gradients agree, averaged over the runs.
        health: of the embedding, by name; what no run measured is left out.
        front: no other condition is both better and cheaper in seconds.
    """

    number: int
    condition: Condition
    validation: Mean
    scores: Mapping[str, Mapping[str, Mean]]
    differences: Differences
    costs: Mapping[str, float]
    activations: tuple[int, int] | None
    confusion: Confusion
    conflict: Mapping[str, float]
    health: Mapping[str, Mean]
    front: bool


@dataclass(frozen=True)
class Comparison:
    """Conditions side by side, the best by validation first.

    Args:
        metric: that all scores are.
        over: the configuration keys that were averaged over.
        rows: one for each condition.
        baseline: the row that the others are compared with; None where there is no row.
        tests: test set -> its tasks, ``mean`` first.
        records: all runs, those that are not done, too.
        replaced: runs that a later one of the same configuration and seed replaces.
        notes: sentences for a person on what could not be compared.
    """

    metric: str
    over: Sequence[str]
    rows: Sequence[Row]
    baseline: Row | None
    tests: Mapping[str, Sequence[str]]
    records: Sequence[RunRecord]
    replaced: Sequence[RunRecord]
    notes: Sequence[str]

    @property
    def best(self) -> Row | None:
        """The best by validation."""
        return self.rows[0] if self.rows else None

    @property
    def devices(self) -> list[str]:
        """Precisions and devices of the runs; times compare within one of them only."""
        done = [record.metrics for record in self.records if record.status == DONE]
        return sorted({f"{metrics.precision} on {metrics.device}" for metrics in done})


def compare(
    records: Sequence[RunRecord],
    metric: str | None = None,
    over: Sequence[str] = ("seed",),
    baseline: str | None = None,
) -> Comparison:
    """Compare runs.

    Args:
        records: of any runs; those that are done count.
        metric: one of :data:`polyhead.runs.report.statistics.METRICS`; None is ``macro_f1`` where that is the headline
            of all tasks, else ``score``.
        over: configuration keys to average over.
        baseline: ``column=value`` pairs that one condition alone has; the best by validation if None.

    Raises:
        UserError: an unknown metric, a key that no run has, or ``baseline`` fits no condition, or more than one.
    """
    done = [record for record in records if record.found_metrics is not None]
    metric = metric or overall(kind for record in done for kind in record.kinds.values())
    if metric not in METRICS:
        raise UserError(f"metric: {metric!r} given; valid: {', '.join(METRICS)}")
    _check_keys(records, over)
    conditions, replaced = group(records, over)
    conditions.sort(key=lambda condition: -_validation(condition, metric).value)
    rows = [_row(number, condition, metric) for number, condition in enumerate(conditions, start=1)]
    front = pareto_front([(row.costs["seconds"], _headline(row)) for row in rows])
    rows = [replace(row, front=on_front) for row, on_front in zip(rows, front, strict=True)]
    reference = _baseline(rows, baseline)
    if reference is not None:
        found = differences(conditions, reference.condition, metric)
        rows = [replace(row, differences=compared) for row, compared in zip(rows, found, strict=True)]
        reference = rows[reference.number - 1]
    found_notes = notes(conditions, reference.number if reference else None)
    return Comparison(metric, over, rows, reference, _tests(rows), records, replaced, found_notes)


def _check_keys(records: Iterable[RunRecord], over: Iterable[str]) -> None:
    known = dict.fromkeys(key for record in records for key in record.config)
    unknown = [key for key in over if known and key not in known]
    if unknown:
        lines = (f"over: {key!r} is no key of these runs; {did_you_mean(key, list(known))}" for key in unknown)
        raise UserError("\n".join(lines))


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Return for each (cost, quality) whether no other is better at no more cost, or as good at less."""
    return [not any(_beats(other, point) for other in points) for point in points]


def _beats(other: tuple[float, float], point: tuple[float, float]) -> bool:
    return other != point and other[0] <= point[0] and other[1] >= point[1]


def _headline(row: Row) -> float:
    return next(iter(row.scores.values()))[OVERALL].value


def _tests(rows: Iterable[Row]) -> dict[str, list[str]]:
    """List the tasks that any row has scores for, by test set, ``mean`` first."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        for test_set, scores in row.scores.items():
            found.setdefault(test_set, {}).update(dict.fromkeys(scores))
    return {test_set: sorted(tasks, key=lambda task: task != OVERALL) for test_set, tasks in found.items()}


def _validation(condition: Condition, metric: str) -> Mean:
    return mean([run.validation_score(metric) for run in condition.runs.values()])


def _row(number: int, condition: Condition, metric: str) -> Row:
    runs = list(condition.runs.values())
    conflicts = [flat(run.metrics.conflict) for run in runs]
    return Row(
        number,
        condition,
        validation=_validation(condition, metric),
        scores=_scores(runs, metric),
        differences={},
        costs=_means([run.costs() for run in runs]),
        activations=_activations(runs),
        confusion=_confusion(runs),
        conflict=_means(conflicts),
        health={name: mean(values) for name, values in _by_name([run.metrics.health for run in runs]).items()},
        front=False,
    )


def _scores(runs: Iterable[RunRecord], metric: str) -> dict[str, dict[str, Mean]]:
    """Average the scores over the runs that have them."""
    by_cell: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for test_set, scores in run.scores(metric).items():
            for task, score in scores.items():
                by_cell.setdefault(test_set, {}).setdefault(task, []).append(score)
    return {test_set: {task: mean(values) for task, values in tasks.items()} for test_set, tasks in by_cell.items()}


def _means(runs: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Average values by name over the runs that have them."""
    return {name: float(np.mean(values)) for name, values in _by_name(runs).items()}


def _by_name(runs: Iterable[Mapping[str, float]]) -> dict[str, list[float]]:
    """Gather values by name over the runs that have them."""
    by_name: dict[str, list[float]] = {}
    for run in runs:
        for name, value in run.items():
            by_name.setdefault(name, []).append(value)
    return by_name


def _activations(runs: Iterable[RunRecord]) -> tuple[int, int] | None:
    counts = [run.metrics.activation_cache for run in runs]
    reused, computed = (sum(count.get(how, 0) for count in counts) for how in ("reused", "computed"))
    return (reused, reused + computed) if reused + computed else None


def _confusion(runs: Iterable[RunRecord]) -> dict[str, dict[str, dict[str, list[int]]]]:
    """Add up the confusion matrices of all runs."""
    sums: dict[str, dict[str, dict[str, list[int]]]] = {}
    for run in runs:
        for test_set, results in run.metrics.test_sets.items():
            for task, values in results.items():
                if "confusion" not in values:
                    continue
                table = sums.setdefault(test_set, {}).setdefault(task, {})
                for label, counts in zip(values["f1"], values["confusion"], strict=True):
                    before = table.get(label, [0] * len(counts))
                    table[label] = [one + other for one, other in zip(before, counts, strict=True)]
    return sums


def _baseline(rows: Sequence[Row], wanted: str | None) -> Row | None:
    """Find the row that the others are compared with.

    Raises:
        UserError: no row has the wanted values, or more than one row has.
    """
    if wanted is None:
        return rows[0] if rows else None
    pairs = dict(pair.split("=", 1) for pair in wanted.split() if "=" in pair)
    fitting = [row for row in rows if pairs and pairs.items() <= row.condition.values.items()]
    if len(fitting) != 1:
        found = "no condition is" if not fitting else f"{len(fitting)} conditions are"
        raise UserError(f"baseline: {found} {wanted!r}; there are: {'; '.join(row.condition.name for row in rows)}")
    return fitting[0]
