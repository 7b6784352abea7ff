"""Tasks: the one place that knows class names and counts. Knows nothing about models or tensors."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from polyhead.errors import UserError, did_you_mean, parameter_problems

MISSING = -100
"""The label index of a sentence that carries no label for a task; losses and metrics pass over it."""

PerTask = float | Mapping[str, float]
"""One number for all tasks, or a number for each task named; a task not named keeps the default."""


@dataclass(frozen=True)
class Task:
    """One single-label classification task.

    Args:
        name: what the head, the metrics and the data column are called.
        labels: class names; a label's position is its class index.

    Raises:
        UserError: fewer than two labels, or a label that stands twice.
    """

    name: str
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise UserError(f"tasks: the name {self.name!r} cannot name a head; use letters, digits and underscores")
        if len(self.labels) < 2:
            raise UserError(f"tasks.{self.name}: {len(self.labels)} label(s) given; a task needs at least two")
        repeated = sorted({label for label in self.labels if self.labels.count(label) > 1})
        if repeated:
            raise UserError(f"tasks.{self.name}: {', '.join(repeated)} given twice; labels must be distinct")

    def index(self, label: str | None) -> int:
        """Return the class index of ``label``, or ``MISSING`` for None.

        Raises:
            UserError: the label is not one of the task's.
        """
        if label is None:
            return MISSING
        if label not in self.labels:
            raise UserError(f"tasks.{self.name}: unknown label {label!r}; {did_you_mean(label, self.labels)}")
        return self.labels.index(label)


def make_tasks(
    given: Mapping[str, Sequence[str] | None] | Sequence[str | Mapping[str, Sequence[str] | None]],
    find_labels: Callable[[Sequence[str]], Mapping[str, Sequence[str]]] | None = None,
) -> tuple[Task, ...]:
    """Build the tasks in the order given.

    Args:
        given: ``{name: class names}``, or a list of such and of bare names; without class names a task has those that
            are found in the data.
        find_labels: task names -> class names; None where there is no data to look in.

    Raises:
        UserError: no task at all, one that stands twice, or one that is not well-formed.
    """
    entries = (
        [given] if isinstance(given, Mapping) else [{item: None} if isinstance(item, str) else item for item in given]
    )
    if odd := [entry for entry in entries if not isinstance(entry, Mapping)]:
        raise UserError(f"tasks: {odd[0]!r} given; a task is a name, or a name with its class names")
    labels = {str(name): names for entry in entries for name, names in entry.items()}
    for name, names in labels.items():
        if names is not None and (isinstance(names, str) or not isinstance(names, Sequence)):
            raise UserError(f"tasks.{name}: {names!r} given; it must be a list of class names, or null")
    if not labels:
        raise UserError("tasks: none given; name at least one, as in tasks.sentiment=[Neutral,Positive,Negative]")
    if len(labels) < sum(map(len, entries)):
        raise UserError(f"tasks: {given} given; each task stands once")
    unknown = [name for name, names in labels.items() if names is None]
    if unknown and find_labels is None:
        raise UserError(f"tasks: no labels given for {', '.join(unknown)}; name them, as in tasks.{unknown[0]}=[a,b]")
    found = find_labels(list(labels)) if unknown and find_labels else {}
    return tuple(
        Task(name, tuple(_class_name(name, label) for label in (found[name] if names is None else names)))
        for name, names in labels.items()
    )


def value_for(task: str, given: PerTask, default: float) -> float:
    """Return the number that ``given`` has for a task."""
    return given.get(task, default) if isinstance(given, Mapping) else given


def per_task_problems(
    name: str, given: PerTask, tasks: Collection[str], allowed: Callable[[float], bool], rule: str
) -> list[str]:
    """Return a line for each task that is not known and each value that is not allowed.

    Args:
        name: of the parameter.
        given: its value.
        tasks: names that it may mention.
        allowed: whether a finite number is allowed.
        rule: which numbers are allowed, in words: ``"a number, 0 or more"``.
    """
    if not isinstance(given, Mapping):
        return parameter_problems((name, given, _is_finite(given) and allowed(given), rule))
    problems = []
    for task, value in given.items():
        if task in tasks:
            problems += parameter_problems((f"{name}.{task}", value, _is_finite(value) and allowed(value), rule))
        else:
            problems.append(f"{name}: unknown task {task!r}; {did_you_mean(str(task), tasks)}")
    return problems


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def label_text(label: str | float) -> str:
    """Return how a label is written: ``true`` for True, ``2`` for 2.0, as in JSON; texts are taken as they are."""
    if isinstance(label, bool):
        return str(label).lower()
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def _class_name(task: str, given: object) -> str:
    """Return a class name as labels in data are spelt: numbers as text, no space around them.

    Raises:
        UserError: it is no text and no whole number, or blank.
    """
    name = label_text(given).strip() if isinstance(given, str | int | float) else ""
    if not name or (isinstance(given, float) and not given.is_integer()):
        told = "null" if given is None else repr(given)
        raise UserError(f"tasks.{task}: {told} is no class name; it must be text or a whole number")
    return name
