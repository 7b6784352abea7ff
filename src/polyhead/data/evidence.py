"""Evidence: how much a set of labelled sentences can tell. Knows nothing about models or metrics.

Shapes: N sentences of a split.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from numpy.typing import NDArray

from polyhead.tasks import is_labelled

_QUANTILE = 1.96  # of the normal distribution, for an interval of 95 %
_ENOUGH = 0.1  # half the width of that interval
_WIDEST = 0.5  # half of all accuracies there are


def accuracy_margin(rows: int) -> float:
    """Return half the width of the 95 % interval of an accuracy near a half, where it is widest.

    >>> [round(accuracy_margin(rows), 2) for rows in (3, 100, 10_000)]
    [0.5, 0.1, 0.01]
    """
    return min(_WIDEST, _QUANTILE * 0.5 / sqrt(rows)) if rows else _WIDEST


def fewest_labels(labels: Mapping[str, NDArray[Any]]) -> tuple[str, int] | None:
    """Return the task with the fewest labels in a split, and how many; tasks without any do not count.

    Args:
        labels: target of each sentence by task.
    """
    counts = {task: int(is_labelled(column).sum()) for task, column in labels.items()}
    measured = {task: count for task, count in counts.items() if count}
    return min(measured.items(), key=lambda item: item[1]) if measured else None


def tell_if_small(split: str, labels: Mapping[str, NDArray[Any]]) -> str | None:
    """Return a line about a split that is too small to tell much, with what follows; None where it is not.

    Args:
        split: ``validation``, or the name of a test set.
        labels: target of each sentence by task; tasks without a label in the split are not measured.
    """
    found = fewest_labels(labels)
    if found is None:
        return None
    task, count = found
    margin = accuracy_margin(count)
    if margin <= _ENOUGH:
        return None
    follows = "so the last epoch counts, and the temperature stays near 1"
    if split != "validation":
        follows = "so smaller differences between runs mean nothing"
    sentences = f"{count:,} sentences with a label for {task}"
    return f"{split}: {sentences}: an accuracy has a 95 % interval of up to ±{margin:.2f}, {follows}"
