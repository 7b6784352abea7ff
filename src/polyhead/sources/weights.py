"""Weights: how much each training sentence counts in the loss, read and checked. Knows nothing about texts or losses.

Shapes: N sentences of a split.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from math import inf, nan

import numpy as np
from numpy.typing import NDArray

from polyhead.sources.tables import Table
from polyhead.storage.cells import LONGEST_CELL

Weights = NDArray[np.float64]


def read_weights(tables: Sequence[Table]) -> Weights | None:
    """Read the weights of all sentences (N,), NaN where a cell has none; None without a column of them."""
    if not any(table.weight is not None for table in tables):
        return None
    return np.fromiter(map(to_weight, _cells(tables)), np.float64)


def to_weight(cell: object) -> float:
    """Return the weight in a cell, NaN where it has none: a weight is a finite number, 0 or more.

    >>> [to_weight(cell) for cell in (2, "0.5", "1,5", -1, None, True)]
    [2.0, 0.5, nan, nan, nan, nan]
    """
    if cell is None or isinstance(cell, bool):
        return nan
    try:
        number = float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return nan
    return number if 0 <= number < inf else nan


def weight_cell(tables: Sequence[Table], row: int) -> str:
    """Return the cell with the weight of a sentence for a person."""
    cell = next(islice(_cells(tables), row, None))
    return "missing" if cell is None else repr(cell)[:LONGEST_CELL]


def scale_weights(weights: Weights) -> NDArray[np.float32]:
    """Return weights with 1 for the largest: a mean with weights does not change with their scale.

    Equal weights become exactly 1, and none is so large or small that a sum of them would be infinite or 0.

    Args:
        weights: not all 0 (N,).
    """
    shares: NDArray[np.float32] = (weights / weights.max()).astype(np.float32)
    return shares


def _cells(tables: Sequence[Table]) -> Iterator[object]:
    return chain.from_iterable(table.weights() for table in tables)
