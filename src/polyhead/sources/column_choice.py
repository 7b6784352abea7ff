"""Column choice: which columns of a table are read, and for what. Knows nothing about their cells."""

from collections.abc import Sequence

from polyhead.errors import UserError, did_you_mean
from polyhead.sources.pairs import SECOND
from polyhead.sources.records import TEXT, WEIGHT, Columns
from polyhead.storage.cells import column_names, has_column, missing_text


def choose(name: str, present: Sequence[str], columns: Columns) -> dict[str, str]:
    """Return which columns of a table to read, as ``{its column: TEXT, SECOND, WEIGHT or a task}``.

    Raises:
        UserError: a column of the texts, or that of the weights, is not there.
    """
    texts = column_names(columns.text)
    for column in texts:
        if not has_column(present, column):
            raise UserError(f"{name}: no {missing_text('column', column, present)}")
    labels: dict[str, str] = {}
    for task, given in columns.labels.items():
        labels |= dict.fromkeys(_present_columns(name, present, task, column_names(given)), task)
    if columns.pair is not None and has_column(present, columns.pair):
        labels[columns.pair] = SECOND
    if columns.weight is None:
        return dict.fromkeys(texts, TEXT) | labels
    if not has_column(present, columns.weight):
        hint = f"set data.weight; {did_you_mean(columns.weight, present)}"
        raise UserError(f"{name}: no column {columns.weight!r} for the weights, {hint}")
    return dict.fromkeys(texts, TEXT) | labels | {columns.weight: WEIGHT}


def _present_columns(name: str, present: Sequence[str], task: str, columns: Sequence[str]) -> list[str]:
    """Return the columns of a task that a table has: all of them, or none.

    Raises:
        UserError: it has some of them.
    """
    found = [column for column in columns if has_column(present, column)]
    lacking = [column for column in columns if column not in found]
    if found and lacking:
        hint = did_you_mean(lacking[0], present)
        raise UserError(f"{name}: no column {lacking[0]!r} for {task}, and {found[0]!r} is there; {hint}")
    return found
