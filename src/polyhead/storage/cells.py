"""Cells: the values of a row by the names of columns, nested ones by dots. Knows nothing about files."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from polyhead.errors import did_you_mean

TextColumns = str | Sequence[str]
"""The column of the texts, or several, whose texts are joined."""

LONGEST_CELL = 80  # characters of a cell that a message shows
JOINT = "\n"
"""What stands between the texts of several columns."""


class _Absent:
    """The value of a column that a row does not have."""


ABSENT = _Absent()


def column_names(columns: TextColumns) -> list[str]:
    """Return the columns of the texts.

    >>> column_names("text"), column_names(["title", "body"])
    (['text'], ['title', 'body'])
    """
    return [columns] if isinstance(columns, str) else list(columns)


def look_up(row: Mapping[str, Any], column: str) -> Any:
    """Return the value of a column, ``ABSENT`` if there is none; ``body.text`` is the entry ``text`` of ``body``.

    A column whose own name has a dot goes first.

    >>> look_up({"body": {"text": "Hello"}}, "body.text")
    'Hello'
    """
    if column in row:
        return row[column]
    first, dot, rest = column.partition(".")
    inner = row.get(first) if dot else None
    return look_up(inner, rest) if isinstance(inner, Mapping) else ABSENT


def has_column(present: Iterable[str], column: str) -> bool:
    """Return whether a column may be there: itself, or the one that it would be nested in."""
    names = set(present)
    return column in names or ("." in column and column.partition(".")[0] in names)


def is_nan(value: object) -> bool:
    """Return whether a value is the float that is not a number: a gap, as pandas writes it."""
    return isinstance(value, float) and value != value


def is_blank(text: str | None) -> bool:
    """Return whether a text is none: null, empty, or white space alone."""
    return text is None or not text.strip()


def row_text(row: Mapping[str, Any], columns: TextColumns) -> str | None:
    """Return the text of a row, those of several columns joined by a line end; None where all are null.

    A column without a text is left out of several.

    Args:
        row: whose text has no problem (:func:`text_problem`).
        columns: of the text.
    """
    if isinstance(columns, str):
        value = look_up(row, columns)
        return value if isinstance(value, str) else None
    values = [look_up(row, column) for column in columns]
    return join_texts([value if isinstance(value, str) else None for value in values])


def join_texts(texts: Sequence[str | None]) -> str | None:
    """Join the texts of several columns by a line end, blank ones left out; None where all are."""
    return JOINT.join(text for text in texts if text is not None and not is_blank(text)) or None


def text_problem(row: Mapping[str, Any], columns: TextColumns) -> str | None:
    """Say why a row has no text; None where it has one, or null."""
    for column in column_names(columns):
        value = look_up(row, column)
        if value is ABSENT:
            return f"no {missing_text('key', column, row)}"
        if not (value is None or isinstance(value, str) or is_nan(value)):
            return f"{column} is {repr(value)[:LONGEST_CELL]} and no text"
    return None


def missing_text(kind: str, column: str, present: Iterable[str]) -> str:
    """Say that the column or key of the texts is not among those present, and what to do."""
    return f"{kind} {column!r} for the text, set text (for training data.text); {did_you_mean(column, present)}"
