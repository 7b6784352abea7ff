"""Asked columns: those of a table in memory that training reads, and those of them that it must have."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from polyhead.errors import UserError
from polyhead.storage.cells import TextColumns, column_names
from polyhead.tasks import KINDS


class AskedColumns(NamedTuple):
    """Columns of a table.

    Args:
        texts: of the sentences.
        needed: those that training sentences must have, the texts included.
        all: those that are read where they are there.
    """

    texts: list[str]
    needed: list[str]
    all: list[str]


def listed(tasks: Sequence[Any] | Mapping[str, Any] | None) -> list[Any] | None:
    """Return tasks as the configuration has them: names, and names with classes.

    Raises:
        UserError: one name in place of several.
    """
    if tasks is None:
        return None
    if isinstance(tasks, Mapping):
        return [name if classes is None else {name: classes} for name, classes in tasks.items()]
    if isinstance(tasks, str) or not isinstance(tasks, Sequence):
        raise UserError(f"tasks: {tasks!r} given; it must be a list of names, or a dict")
    return list(tasks)


def ask_columns(
    text: TextColumns | None, tasks: Sequence[Any], columns: Mapping[str, TextColumns], others: Sequence[str | None]
) -> AskedColumns:
    """Return the columns that training reads.

    Args:
        text: of the sentences; None is ``text``.
        tasks: as :func:`listed` gives them. One that takes each pair need not have a column, unless that is named.
        columns: task -> column of its labels, or several, where it has another name.
        others: columns with another purpose; None is none.
    """
    texts = ["text"] if text is None else column_names(text)
    needed, optional = [*texts], list[str]()
    for name, definition in [item for task in tasks for item in _definitions(task)]:
        found = [str(column) for column in column_names(columns.get(name, name))]
        (optional if name not in columns and _takes_each_pair(definition) else needed).extend(found)
    needed += [name for name in others if name is not None]
    return AskedColumns(texts, needed, [*needed, *optional])


def _definitions(task: Any) -> list[tuple[Any, Any]]:
    return [*task.items()] if isinstance(task, Mapping) else [(task, None)]


def _takes_each_pair(definition: Any) -> bool:
    """Return whether a task is of a kind that has a label for each pair where there is no column of labels."""
    kind = definition.get("kind") if isinstance(definition, Mapping) else definition
    return isinstance(kind, str) and kind in KINDS and KINDS[kind].takes_each_pair
