"""Records: the rows of a text table as sentences with labels. Knows nothing about formats."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyhead.errors import UserError, collect_errors, did_you_mean
from polyhead.storage.row_readers import open_rows
from polyhead.storage.rows import LONGEST_CELL, BadRow, Dialect, Row, text_problem
from polyhead.tasks import label_text

ROW = "_row"
"""The column with the number of the row in its file."""

TEXT = "text"
"""The column with the sentence, whatever the file calls it."""

_LISTED = 20  # problems of a file that are named one by one
_SCALARS = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Columns:
    """The columns of a table that hold sentences and labels.

    Args:
        text: column of the sentences.
        labels: task -> column of its labels.
    """

    text: str
    labels: Mapping[str, str]


def assign_columns(text: str, given: Mapping[str, str], tasks: Sequence[str]) -> Columns:
    """Assign a column to the texts and to each task.

    Args:
        text: column of the sentences.
        given: task -> column of its labels; a task that is not given has the column of its own name.
        tasks: all tasks.

    Raises:
        UserError: columns for an unknown task, or one column for two purposes.
    """
    unknown = [task for task in given if task not in tasks]
    if unknown:
        raise UserError(f"data.columns: unknown task {unknown[0]!r}; {did_you_mean(str(unknown[0]), tasks)}")
    labels = {task: str(given.get(task, task)) for task in tasks}  # the command line makes a number of digits
    doubled = [column for column, count in Counter([text, *labels.values()]).items() if count > 1]
    if doubled:
        raise UserError(f"data.columns: the column {min(doubled)!r} is asked for twice; each task needs its own")
    return Columns(text, labels)


def records(path: Path, dialect: Dialect, columns: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV, TSV or JSONL file, each with its number.

    Args:
        path: of the file.
        dialect: how its text is written.
        columns: its columns to be read -> ``TEXT``, or the task whose labels they hold.

    Raises:
        UserError: rows that cannot be sentences, one per line, once the whole file was read; or no row at all.
    """
    problems: list[str] = []
    bad = good = 0
    with open_rows(str(path), dialect=dialect) as reader, collect_errors(problems):
        for number, row in reader.good_and_bad_rows():
            reason = _problem(row, columns)
            if isinstance(row, BadRow) or reason is not None:
                bad += 1
                if bad <= _LISTED:
                    problems.append(f"{path} row {number}: {reason}")
            elif not bad:
                good += 1
                yield {ROW: number} | {ours: _cell(row.get(column)) for column, ours in columns.items()}
    if bad > _LISTED:
        problems.append(f"{path}: {bad - _LISTED:,} more rows that cannot be read")
    if problems:
        raise UserError("\n".join(problems))
    if not good:
        raise UserError(f"{path}: no row with a sentence")


def _problem(row: Row | BadRow, columns: Mapping[str, str]) -> str | None:
    """Say why a row cannot be a sentence; None if it can."""
    if isinstance(row, BadRow):
        return row.reason
    for column, ours in columns.items():
        reason = text_problem(row, column) if ours == TEXT else _label_problem(row, column)
        if reason is not None:
            return reason
    return None


def _label_problem(row: Row, column: str) -> str | None:
    label = row.get(column)
    if isinstance(label, _SCALARS) and not (isinstance(label, float) and not label.is_integer()):
        return None
    return f"{column} is {repr(label)[:LONGEST_CELL]}; a label must be text or a whole number"


def _cell(value: object) -> str | None:
    return label_text(value) if isinstance(value, str | int | float) else None
