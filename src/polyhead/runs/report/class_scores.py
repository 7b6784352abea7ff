"""Class scores: F1 of each class, condition by condition. Knows nothing about how it is shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from polyhead.runs.report.comparison import Row
from polyhead.runs.report.statistics import Mean, mean


@dataclass(frozen=True)
class ClassScores:
    """F1 of a class.

    Args:
        test_set: on which.
        task: whose class.
        label: name of the class.
        scores: one for each of the rows; None where no run of a row has the class.
    """

    test_set: str
    task: str
    label: str
    scores: Sequence[Mean | None]


def class_scores(rows: Sequence[Row]) -> Iterator[ClassScores]:
    """Yield the scores of all classes on all test sets, averaged over the runs of each row."""
    found: dict[tuple[str, str, str], dict[int, list[float]]] = {}
    for row in rows:
        for run in row.condition.runs.values():
            for test_set, results in run.metrics.test_sets.items():
                for task, values in results.items():
                    for label, score in values.get("f1", {}).items():
                        found.setdefault((test_set, task, label), {}).setdefault(row.number, []).append(score)
    for (test_set, task, label), by_row in found.items():
        means = [mean(by_row[row.number]) if row.number in by_row else None for row in rows]
        yield ClassScores(test_set, task, label, means)
