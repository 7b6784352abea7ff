"""Noted tasks: the tasks of a configuration as a run of it notes them, to tell whether they are the same."""

from collections.abc import Mapping
from typing import Any

from polyhead.errors import UserError
from polyhead.tasks import KINDS, SingleLabel, Task, label_text, make_kind


def tasks_by_name(tasks: object) -> dict[str, Any]:
    """Return what is given of each task by its name: None for a name alone, whose classes are found in the data.

    >>> tasks_by_name(["topic", {"sentiment": ["bad", "good"]}])
    {'topic': None, 'sentiment': ['bad', 'good']}
    """
    if isinstance(tasks, Mapping):
        return dict(tasks)
    given = [part if isinstance(part, Mapping) else {part: None} for part in (tasks if isinstance(tasks, list) else ())]
    return {str(name): value for part in given for name, value in part.items()}


def as_noted(task: str, given: Any, noted: Any) -> Any:
    """Return a task as a run notes it, with what that has found in its data where nothing is given.

    >>> as_noted("price", "number", {"kind": "number", "loss": "squared", "mean": 2.0, "spread": 1.0})
    {'kind': 'number', 'loss': 'squared', 'mean': 2.0, 'spread': 1.0}
    >>> as_noted("stars", [1, 2], ["1", "2"])
    ['1', '2']

    Args:
        task: its name.
        given: its class names, its kind, an entry for each setting, or None.
        noted: by the run; None where it has no such task.
    """
    if given is None:
        return noted
    entries: dict[str, Any] = {"labels": given}
    if isinstance(given, str) and given in KINDS:
        entries = {"kind": given}
    elif isinstance(given, Mapping):
        entries = {str(key): value for key, value in given.items()}
    found = noted if isinstance(noted, Mapping) else {"labels": noted}
    labels, kind = entries.pop("labels", None), entries.pop("kind", SingleLabel.name)
    names = found.get("labels") if labels is None else labels
    try:
        made = Task(task, tuple(label_text(name).strip() for name in names or ()), make_kind(task, kind, entries)).plain
    except (UserError, AttributeError, TypeError):  # it is no task, and the composition says so
        return given
    if isinstance(made, Mapping):
        return {key: found.get(key) if value is None else value for key, value in made.items()}
    return made
