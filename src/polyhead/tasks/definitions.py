"""Definitions: tasks as a configuration spells them -> tasks. Knows nothing about where configurations come from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from polyhead.errors import UserError, did_you_mean
from polyhead.tasks.kind import Kind
from polyhead.tasks.kinds import KINDS
from polyhead.tasks.single_label import SingleLabel
from polyhead.tasks.targets import label_text
from polyhead.tasks.task import Task

ClassNames = Mapping[str, Any]
"""Task -> its class names, None where the data have them; or the name of its kind; or an entry for each setting."""

FindLabels = Callable[..., Mapping[str, Sequence[str]]]
"""Tasks, and those of them whose cells may be anything -> the cells that the training sentences have for each."""


def make_tasks(
    given: ClassNames | Sequence[str | ClassNames], find_labels: FindLabels | None = None
) -> tuple[Task, ...]:
    """Build the tasks in the order given.

    >>> [task.labels for task in make_tasks({"stars": [1, 2, 3], "tone": ["dry", "warm"]})]
    [('1', '2', '3'), ('dry', 'warm')]

    Args:
        given: ``{name: class names}``, or a list of such mappings and of bare names; a task without class names has
            those that are found in the data. In place of class names there may be the name of a kind, or a mapping of
            ``kind``, ``labels`` and the options of the kind.
        find_labels: task names -> class names, as the data have them; None where there are no data.

    Raises:
        UserError: no task at all, one that stands twice, or one that is not well-formed.
    """
    named = {name: _definition(name, value) for name, value in _by_name(given).items()}
    unnamed = [name for name, (kind, labels) in named.items() if labels is None]
    found: Mapping[str, Sequence[str]] = {}
    if unnamed:
        if find_labels is None:
            hint = f"name them, as in tasks.{unnamed[0]}=[a,b]"
            raise UserError(f"tasks: no labels given for {', '.join(unnamed)}; {hint}")
        free = [name for name, (kind, _) in named.items() if kind.any_cell]
        each_pair = [name for name, (kind, _) in named.items() if kind.takes_each_pair]
        given_to = [free, each_pair] if each_pair else [free] if free else []
        found = find_labels(list(named), *given_to)
    tasks = []
    for name, (kind, labels) in named.items():
        names = kind.find(name, found[name]) if labels is None else labels
        tasks.append(Task(name, tuple(_class_name(name, label) for label in names), kind))
    return tuple(tasks)


def make_kind(task: str, name: object, settings: Mapping[str, Any]) -> Kind:
    """Make the kind of a task.

    Args:
        task: its name, for messages.
        name: of the kind.
        settings: its options; those left out have their defaults.

    Raises:
        UserError: an unknown kind or option, or a value that is not allowed.
    """
    if not isinstance(name, str) or name not in KINDS:
        raise UserError(f"tasks.{task}.kind: unknown {name!r}; {did_you_mean(str(name), KINDS)}")
    known = [item.name for item in fields(KINDS[name])]
    for option in settings:
        if option not in known:
            valid = did_you_mean(str(option), ["kind", "labels", *known])
            raise UserError(f"tasks.{task}: {name} has no {option!r}; {valid}")
    kind = KINDS[name](**settings)
    kind.check_settings(task)
    return kind


def _definition(task: str, given: object) -> tuple[Kind, Sequence[str] | None]:
    """Return a task's kind and its class names, None where they are to be found.

    Raises:
        UserError: neither class names, nor a kind.
    """
    if isinstance(given, str) and given in KINDS:
        given = {"kind": given}
    if isinstance(given, Mapping):
        settings = {str(key): value for key, value in given.items()}
        kind = make_kind(
            task, settings.pop("kind", SingleLabel.name), {k: settings[k] for k in settings if k != "labels"}
        )
        labels = settings.get("labels")
    else:
        kind, labels = SingleLabel(), given
    if labels is None and not kind.has_classes:
        labels = ()
    if labels is not None and (isinstance(labels, str) or not isinstance(labels, Sequence)):
        hint = f"it must be a list of class names, null, or a kind: {', '.join(KINDS)}"
        raise UserError(f"tasks.{task}: {labels!r} given; {hint}")
    return kind, labels


def _by_name(given: ClassNames | Sequence[str | ClassNames]) -> dict[str, Any]:
    """Return ``{name: definition}``, None for a bare name.

    Raises:
        UserError: no task at all, or one that stands twice.
    """
    entries = [given] if isinstance(given, Mapping) else given
    named: dict[str, Any] = {}
    for entry in entries:
        if not isinstance(entry, str | Mapping):
            raise UserError(f"tasks: {entry!r} given; a task is a name, or a name with its class names")
        for name, definition in ({entry: None} if isinstance(entry, str) else entry).items():
            if str(name) in named:
                raise UserError(f"tasks: {given} given; each task stands once")
            named[str(name)] = definition
    if not named:
        raise UserError("tasks: none given; name at least one, as in tasks.sentiment=[Neutral,Positive,Negative]")
    return named


def _class_name(task: str, given: object) -> str:
    """Return a class name as labels in data are written: numbers as text, without space around it.

    Raises:
        UserError: it is neither text nor a whole number, or it is blank.
    """
    is_fraction = isinstance(given, float) and not given.is_integer()
    name = label_text(given).strip() if isinstance(given, str | int | float) else ""
    if is_fraction or not name:
        shown = "null" if given is None else repr(given)
        raise UserError(f"tasks.{task}: {shown} is no class name; it must be text or a whole number")
    return name
