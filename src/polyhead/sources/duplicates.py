"""Duplicates: equal texts within and across splits, found by their hashes.

Shapes: N sentences, M of them with a text that another has, G distinct texts among those.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.integer[Any]]

_CHUNK = 1_000_000  # texts looked up together


def contained(texts: Integers, others: Integers) -> NDArray[np.bool_]:
    """Find the texts that are among others, in memory that does not grow with the number of ``texts``.

    Returns:
        True for a text that is among the others (N,).
    """
    known = np.sort(others)
    found = np.zeros(len(texts), dtype=np.bool_)
    if not len(known):
        return found
    for start in range(0, len(texts), _CHUNK):
        chunk = texts[start : start + _CHUNK]
        positions = np.searchsorted(known, chunk).clip(max=len(known) - 1)
        found[start : start + _CHUNK] = known[positions] == chunk
    return found


class Duplicates(NamedTuple):
    """Sentences in groups of equal texts, two or more in each.

    Args:
        rows: of the sentences, group by group, those of a group in their order (M,).
        starts: where each group starts in ``rows`` (G,).
    """

    rows: Integers
    starts: Integers

    def group(self, index: int) -> range:
        """Return the positions of a group in ``rows``."""
        last = index + 1 == len(self.starts)
        return range(self.starts[index], len(self.rows) if last else self.starts[index + 1])


def find_duplicates(texts: Integers) -> Duplicates:
    """Find the sentences whose text comes more than once among ``texts`` (N,)."""
    order = np.argsort(texts, kind="stable")
    ordered = texts[order]
    equals_previous = np.zeros(len(texts), dtype=np.bool_)
    equals_next = np.zeros(len(texts), dtype=np.bool_)
    equals_previous[1:] = equals_next[:-1] = ordered[1:] == ordered[:-1]
    repeated = equals_previous | equals_next
    first_of_group = ~equals_previous[repeated]
    return Duplicates(order[repeated], np.flatnonzero(first_of_group))
