"""Marks: one column per label of a task with several labels, as one cell. Knows nothing about files or tables."""

from collections.abc import Mapping
from typing import Any

from polyhead.errors import UserError
from polyhead.storage.cells import ABSENT, LONGEST_CELL, is_nan
from polyhead.tasks import label_text, list_text

_MARKS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False, "": None}


def marked_labels(cells: Mapping[str, Any]) -> str | None:
    """Return the labels whose columns are marked as the text of one cell; None where no column says anything.

    An empty cell beside others that are not is 0: some write the marks alone.

    >>> marked_labels({"food": 1, "travel": 0}), marked_labels({"food": "", "travel": "true"})
    ('["food"]', '["travel"]')
    >>> marked_labels({"food": None, "travel": ""}) is None
    True

    Args:
        cells: label, which is the name of its column -> its cell.

    Raises:
        UserError: a cell that is neither 0 nor 1; the message names the column.
    """
    marks = {label: _mark(label, cell) for label, cell in cells.items()}
    if all(mark is None for mark in marks.values()):
        return None
    return list_text([label for label, mark in marks.items() if mark])


def _mark(column: str, cell: Any) -> bool | None:
    if cell is None or cell is ABSENT or is_nan(cell):
        return None
    text = label_text(cell).strip().lower() if isinstance(cell, str | int | float) else repr(cell)
    if text not in _MARKS:
        raise UserError(f"{column} is {repr(cell)[:LONGEST_CELL]}; it must be 1 or 0, true or false, or empty")
    return _MARKS[text]
