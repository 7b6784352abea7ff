"""Pair columns: the second texts of rows that are predicted, and the answers of tasks about two texts."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyhead.errors import UserError
from polyhead.storage.cells import is_blank
from polyhead.storage.rows import Row, RowReader
from polyhead.tasks import Task, of_one_text, of_pairs


def check_pair(pair: str | None, tasks: Sequence[Task]) -> None:
    """Check that second texts are given where tasks need them, and say which tasks are left out.

    Args:
        pair: the column of the second texts; None where none is given.
        tasks: of the model.

    Raises:
        UserError: they are given for nothing, or nothing is left to predict.
    """
    names = [task.name for task in of_pairs(tasks)]
    if pair is not None and not names:
        raise UserError(f"pair: {pair!r} given, and no task of the model is about two texts; leave it out")
    if pair is None and names:
        what = f"{', '.join(names)}: about two texts; name the column of the second: pair=COLUMN"
        if not of_one_text(tasks):
            raise UserError(f"pair: none given, and all tasks need one: {what}")
        print(f"{what}; left out", file=sys.stderr)


def second_texts(reader: RowReader, chunk: Sequence[tuple[int, Row]], pair: str | None) -> list[str | None]:
    """Return the second texts of rows; None where there is none."""
    if pair is None:
        return [None] * len(chunk)
    texts = [reader.text_of(number, row, pair) for number, row in chunk]
    return [None if is_blank(text) else text for text in texts]


def with_gaps(columns: Mapping[str, list[Any]], gaps: NDArray[np.bool_]) -> dict[str, list[Any]]:
    """Return the columns of a task about two texts, null in rows with one."""
    return {
        name: [None if is_gap else cell for cell, is_gap in zip(cells, gaps, strict=True)]
        for name, cells in columns.items()
    }
