"""Start rows: of many labelled rows those from which heads start that are trained further. Knows nothing about models.

Shapes: N rows, n of them, C classes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyhead.tasks import is_labelled

_LEAST = 20  # rows of each class, where there are as many

Labels = NDArray[np.integer[Any]] | NDArray[np.floating[Any]]


def choose_rows(
    labels: Mapping[str, Labels], limit: int, weights: NDArray[np.floating[Any]] | None = None
) -> NDArray[np.int64] | None:
    """Return rows that are spread evenly, and more of those classes that have hardly any among them.

    A row without a label for any task, or of weight 0, says nothing of heads, and is none of them.

    >>> labels = np.zeros(1000, dtype=np.int64)
    >>> labels[5:7] = 1
    >>> rows = choose_rows({"spam": labels}, limit=100)
    >>> len(rows), rows[:4].tolist()
    (102, [0, 5, 6, 10])

    Args:
        labels: target of each row by task, (N,) or (N, C).
        limit: rows that are enough; rare classes may add to them.
        weights: of the rows (N,), 0 or more; None is 1 each.

    Returns:
        The rows (n,), rising; None stands for all, where they are no more than that.
    """
    count = len(next(iter(labels.values())))
    if count <= limit:
        return None
    has_weight = np.ones(count, dtype=bool) if weights is None else weights > 0
    counted = np.logical_or.reduce([is_labelled(of_task) for of_task in labels.values()]) & has_weight
    chosen = np.zeros(count, dtype=bool)
    chosen[_spread(np.flatnonzero(counted), limit)] = True
    for of_task in labels.values():
        for of_class in _by_class(of_task):
            rows = of_class[has_weight[of_class]]
            if chosen[rows].sum() < min(_LEAST, len(rows)):
                chosen[_spread(rows, _LEAST)] = True
    return np.flatnonzero(chosen)


def _spread(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return some of the rows, evenly spread."""
    return rows if len(rows) <= count else rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]


def _by_class(labels: Labels) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each class; of numbers all that have one."""
    if labels.ndim > 1:
        yield from (np.flatnonzero(column == 1) for column in labels.T)
        return
    rows = np.flatnonzero(is_labelled(labels))
    if np.issubdtype(labels.dtype, np.floating):
        yield rows
        return
    rows = rows[np.argsort(labels[rows], kind="stable")]
    yield from np.split(rows, np.flatnonzero(np.diff(labels[rows])) + 1)
