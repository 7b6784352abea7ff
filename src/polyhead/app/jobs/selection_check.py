"""Selection check: whether sets of labels and answers keep what was promised, counted on labelled sentences.

Shapes: N labelled sentences, C classes of a task.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from polyhead.deployment.selection import Selection
from polyhead.tasks import Task
from polyhead.training.binomial import binomial_interval


def measure_selection(
    selection: Selection, task: Task, probabilities: NDArray[np.floating], labels: NDArray[np.integer]
) -> dict[str, float]:
    """Count how often the sets of a task hold the true class, or its answers are right.

    Args:
        selection: has a threshold of the task.
        task: that was predicted.
        probabilities: (N, C).
        labels: true classes (N,).

    Returns:
        ``coverage`` and ``labels_per_set``; or the share ``answered`` and the ``accuracy`` of these, if there are any.
        ``low`` and ``high`` are the ends of the 95 % interval of coverage or accuracy.
    """
    rows = np.arange(len(labels))
    if task.name in selection.least_in_set:
        order = np.argsort(-probabilities, axis=1, kind="stable")  # (N, C)
        places = (order == labels[:, None]).argmax(axis=1)  # of the true class, from 0
        sizes = selection.set_sizes(task, probabilities)
        return {**_share("coverage", places < sizes), "labels_per_set": float(sizes.mean())}
    answered = rows[selection.answered(task, probabilities)]
    right = probabilities[answered].argmax(axis=1) == labels[answered]
    return {**_share("accuracy", right), "answered": len(answered) / len(labels)}


def describe_selection(task: str, found: Mapping[str, float]) -> str:
    """Return what :func:`measure_selection` found in a line."""
    name = "coverage" if "labels_per_set" in found else "accuracy"
    interval = (
        f"{name} {found[name]:.4f} (95 % interval {found['low']:.4f} to {found['high']:.4f})" if name in found else ""
    )
    if name == "coverage":
        return f"{task}: {interval}, {found['labels_per_set']:.2f} labels per sentence"
    return ", ".join(filter(None, [f"{task}: {100 * found['answered']:.1f} % answered", interval]))


def _share(name: str, happened: NDArray[np.bool_]) -> dict[str, float]:
    """Return the share of rows (N,) that are True and its interval; nothing of no rows."""
    if not len(happened):
        return {}
    low, high = binomial_interval(int(happened.sum()), len(happened))
    return {name: float(happened.mean()), "low": low, "high": high}
