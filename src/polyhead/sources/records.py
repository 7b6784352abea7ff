"""Records: the rows of a text table as sentences with labels. Knows nothing about formats."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyhead.errors import UserError, collect_errors, did_you_mean
from polyhead.sources.marks import marked_labels
from polyhead.sources.pairs import SECOND, check_columns
from polyhead.storage.cells import (
    ABSENT,
    LONGEST_CELL,
    TextColumns,
    column_names,
    is_blank,
    is_nan,
    look_up,
    row_text,
    text_problem,
)
from polyhead.storage.dialect import Dialect
from polyhead.storage.row_readers import open_rows
from polyhead.storage.rows import BadRow, Row
from polyhead.tasks import label_text, list_text

ROW = "_row"
"""The column with the number of the row in its file."""

JOINED = "_joined"
"""The column that is true where a cell of the row looks like several rows."""

TEXT = "text"
"""The column with the sentence, whatever the file calls it."""

WEIGHT = "_weight"
"""The column with the weight of the row, whatever the file calls it."""

_LISTED = 20  # problems of a file that are named one by one
_SCALARS = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Columns:
    """The columns of a table that hold sentences, labels and weights.

    Args:
        text: column of the sentences, or several, whose texts are joined.
        labels: task -> column of its labels, or a column for each of several labels.
        weight: column of the weights; None where all sentences count alike.
        free: tasks whose cells may be fractions, or lists.
        pair: column of second texts; None where all rows have one text.
    """

    text: TextColumns
    labels: Mapping[str, TextColumns]
    weight: str | None = None
    free: tuple[str, ...] = ()
    pair: str | None = None


def assign_columns(
    text: TextColumns,
    given: Mapping[str, TextColumns],
    tasks: Sequence[str],
    weight: str | None = None,
    free: Sequence[str] = (),
    pair: str | None = None,
) -> Columns:
    """Assign a column to the texts, to each task and to the weights.

    Args:
        text: column of the sentences, or several.
        given: task -> column of its labels, or a column for each label; a task that is not given has the column of its
            own name.
        tasks: all tasks.
        weight: column of the weights; None where all sentences count alike.
        free: tasks whose cells may be fractions, or lists.
        pair: column of the second texts; None where all rows have one text.

    Raises:
        UserError: columns for an unknown task, several for one of single labels, or one column for two purposes.
    """
    unknown = [task for task in given if task not in tasks]
    if unknown:
        raise UserError(f"data.columns: unknown task {unknown[0]!r}; {did_you_mean(str(unknown[0]), tasks)}")
    labels = {task: _label_columns(task, given.get(task, task), task in free) for task in tasks}
    weights = [] if weight is None else [weight]
    of_labels = [column for columns in labels.values() for column in column_names(columns)]
    check_columns(pair, weights, [*column_names(text), *of_labels])
    asked = Counter([*column_names(text), *of_labels, *weights])
    doubled = [column for column, count in asked.items() if count > 1]
    if weight in doubled:
        raise UserError(f"data.weight: the column {weight!r} is that of the text or of a task; name one of weights")
    if doubled:
        raise UserError(f"data.columns: the column {min(doubled)!r} is asked for twice; each task needs its own")
    if not column_names(text):
        raise UserError("data.text: no column given; name one, or several")
    return Columns(text, labels, weight, tuple(free), pair)


def _label_columns(task: str, given: TextColumns, is_free: bool) -> TextColumns:
    """Return the column of a task's labels, or a column for each of them.

    Raises:
        UserError: several for a task that has one label.
    """
    if not isinstance(given, list | tuple):
        return str(given)  # the command line makes a number of digits
    columns = [str(column) for column in given]
    if not is_free or len(columns) < 2:  # the kind of the task says the rest
        rule = "two columns or more are for a task of the kind multi_label, one for each label"
        raise UserError(f"data.columns.{task}: {columns} given; {rule}")
    return columns


def records(
    path: Path, dialect: Dialect, columns: Mapping[str, str], free: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, each with its number.

    Args:
        path: of the file.
        dialect: how its text is written.
        columns: its columns to be read -> ``TEXT``, ``SECOND``, ``WEIGHT``, or the task whose labels they hold.
        free: tasks whose cells may be fractions, or lists.

    Raises:
        UserError: rows that cannot be sentences, one per line, once the whole file was read; or no row at all.
    """
    problems: list[str] = []
    bad = good = joined = 0
    others = {column: ours for column, ours in columns.items() if ours != TEXT}
    counts = Counter(others.values())
    several = {ours: [column for column in others if others[column] == ours] for ours in counts if counts[ours] > 1}
    labels = {column: ours in free for column, ours in others.items() if ours not in (SECOND, WEIGHT, *several)}
    second = next((column for column, ours in others.items() if ours == SECOND), None)
    texts = [column for column, ours in columns.items() if ours == TEXT]
    text = texts[0] if len(texts) == 1 else texts
    with open_rows(str(path), dialect=dialect) as reader, collect_errors(problems):
        for number, row in reader.good_and_bad_rows():
            reason = _problem(row, text, labels) or _second_problem(row, second) or _mark_problem(row, several)
            if isinstance(row, BadRow) or reason is not None:
                bad += 1
                if bad <= _LISTED:
                    problems.append(f"{path} row {number}: {reason}")
            elif not bad:
                good += 1
                cells = {ours: _cell(ours, look_up(row, column)) for column, ours in others.items()}
                cells |= {ours: _marked(row, marks) for ours, marks in several.items()}
                yield {ROW: number, JOINED: reader.joined > joined, TEXT: row_text(row, text), **cells}
            joined = reader.joined
    if bad > _LISTED:
        problems.append(f"{path}: {bad - _LISTED:,} more rows that cannot be read")
    if problems:
        raise UserError("\n".join(problems))
    if not good:
        raise UserError(f"{path}: no row with a sentence")


def _problem(row: Row | BadRow, text: TextColumns, labels: Mapping[str, bool]) -> str | None:
    """Say why a row cannot be a sentence; None if it can.

    Args:
        row: to look at.
        text: columns of the text.
        labels: column of labels -> whether its cells may be fractions, or lists.
    """
    if isinstance(row, BadRow):
        return row.reason
    problems = [text_problem(row, text), *(_label_problem(row, *item) for item in labels.items())]
    return next(filter(None, problems), None)


def _marked(row: Row, columns: Sequence[str]) -> str | None:
    return marked_labels({column: look_up(row, column) for column in columns})


def _mark_problem(row: Row | BadRow, several: Mapping[str, Sequence[str]]) -> str | None:
    """Say which of the cells that mark labels is none."""
    try:
        for columns in several.values():
            if not isinstance(row, BadRow):
                _marked(row, columns)
    except UserError as error:
        return str(error)
    return None


def _second_problem(row: Row | BadRow, column: str | None) -> str | None:
    """Say why a row has no second text that can be read; None where it has one, or none at all."""
    value = ABSENT if column is None or isinstance(row, BadRow) else look_up(row, column)
    if value is ABSENT or value is None or isinstance(value, str) or is_nan(value):
        return None
    return f"{column} is {repr(value)[:LONGEST_CELL]} and no text"


def _label_problem(row: Row, column: str, free: bool) -> str | None:
    label = look_up(row, column)
    if label is ABSENT or is_nan(label):
        return None
    if free:
        flat = all(isinstance(part, str | int | float) for part in label) if isinstance(label, list) else True
        return None if flat and isinstance(label, (*_SCALARS, list)) else f"{column} is {repr(label)[:LONGEST_CELL]}"
    if isinstance(label, _SCALARS) and not (isinstance(label, float) and not label.is_integer()):
        return None
    hint = "; for lists of labels set its kind to multi_label" if isinstance(label, list) else ""
    hint = "; for numbers set its kind to number" if isinstance(label, float) else hint
    return f"{column} is {repr(label)[:LONGEST_CELL]}; a label must be text or a whole number{hint}"


def _cell(ours: str, value: object) -> str | None:
    if ours == WEIGHT and value is not ABSENT and value is not None:
        return str(value)  # whatever it is: all weights are checked together once they are read
    if ours == SECOND:
        return value if isinstance(value, str) and not is_blank(value) else None
    if isinstance(value, list):
        return list_text(value)
    return label_text(value) if isinstance(value, str | int | float) and not is_nan(value) else None
