"""Pairs: rows with a second text. Knows nothing about what tasks do with them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import UserError

if TYPE_CHECKING:
    from pyarrow import Array

SECOND = "_second"
"""The column with the second text of a row, whatever the file calls it."""

_YES = "1"


def label_each_pair(chunk: Mapping[str, "Array"], tasks: Sequence[str]) -> dict[str, "Array"]:
    """Return a part of a table with a label for each row that has a second text.

    Args:
        chunk: columns as texts.
        tasks: that get such labels.
    """
    found = dict(chunk)
    if tasks:
        import pyarrow as pa
        from pyarrow import compute

        some = next(iter(chunk.values()))
        seconds = chunk.get(SECOND, pa.nulls(len(some), pa.large_string()))
        labels = compute.if_else(compute.is_valid(seconds), _YES, None).cast(pa.large_string())
        found |= dict.fromkeys(tasks, labels)
    return found


def blank_as_null(texts: "Array") -> "Array":
    """Return second texts, null where there is none."""
    from pyarrow import compute

    blank = compute.equal(compute.utf8_trim_whitespace(texts), "")
    return compute.if_else(blank, None, texts)


def check_columns(pair: str | None, weights: Sequence[str], others: Sequence[str]) -> None:
    """Refuse the column of the second texts where it has another purpose, too.

    Raises:
        UserError: it has.
    """
    if pair is not None and pair in (*weights, *others):
        raise UserError(f"data.pair: the column {pair!r} is that of the text or of a task; name one of second texts")


def pair_hashes(texts: Sequence[str], seconds: Sequence[str]) -> NDArray[np.int64]:
    """Return a hash for each row, of its text alone where it has no second one."""
    pairs = zip(texts, seconds, strict=True)
    return np.asarray([hash((one, other)) if other else hash(one) for one, other in pairs], dtype=np.int64)
