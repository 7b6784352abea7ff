"""Tasks: the one place that knows class names and counts. Knows nothing about models or tensors."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from polyhead.errors import UserError, did_you_mean, is_finite, parameter_problems

MISSING = -100
"""The label index of a sentence without a label for a task; losses and metrics skip it."""

ClassNames = Mapping[str, Sequence[str] | None]
"""Task -> its class names, None where the data have them."""

FindLabels = Callable[[Sequence[str]], Mapping[str, Sequence[str]]]
"""Tasks -> the class names that the data have for each."""

PerTask = float | Mapping[str, float]
"""One number for all tasks, or a number for each task named; a task not named keeps the default."""


@dataclass(frozen=True)
class Task:
    """One single-label classification task.

    Args:
        name: of the head, of the metrics and of the data column.
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
        repeated = sorted(label for label, count in Counter(self.labels).items() if count > 1)
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
    given: ClassNames | Sequence[str | ClassNames], find_labels: FindLabels | None = None
) -> tuple[Task, ...]:
    """Build the tasks in the order given.

    >>> [task.labels for task in make_tasks({"stars": [1, 2, 3], "tone": ["dry", "warm"]})]
    [('1', '2', '3'), ('dry', 'warm')]

    Args:
        given: ``{name: class names}``, or a list of such mappings and of bare names; a task without class names has
            those that are found in the data.
        find_labels: task names -> class names, as the data have them; None where there are no data.

    Raises:
        UserError: no task at all, one that stands twice, or one that is not well-formed.
    """
    named = _by_name(given)
    unnamed = [name for name, labels in named.items() if labels is None]
    found: Mapping[str, Sequence[str]] = {}
    if unnamed:
        if find_labels is None:
            hint = f"name them, as in tasks.{unnamed[0]}=[a,b]"
            raise UserError(f"tasks: no labels given for {', '.join(unnamed)}; {hint}")
        found = find_labels(list(named))
    tasks = []
    for name, labels in named.items():
        names = found[name] if labels is None else labels
        tasks.append(Task(name, tuple(_class_name(name, label) for label in names)))
    return tuple(tasks)


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
        return parameter_problems((name, given, is_finite(given) and allowed(given), rule))
    problems = []
    for task, value in given.items():
        if task in tasks:
            problems += parameter_problems((f"{name}.{task}", value, is_finite(value) and allowed(value), rule))
        else:
            problems.append(f"{name}: unknown task {task!r}; {did_you_mean(str(task), tasks)}")
    return problems


def label_text(label: str | float) -> str:
    """Return a label as JSON writes it: ``true`` for True, ``2`` for 2.0; texts stay as they are.

    >>> [label_text(label) for label in ("True", True, 2.0, 2)]
    ['True', 'true', '2', '2']
    """
    if isinstance(label, bool):
        return str(label).lower()
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)


def _by_name(given: ClassNames | Sequence[str | ClassNames]) -> dict[str, Sequence[str] | None]:
    """Return ``{name: class names}``, None for a bare name.

    Raises:
        UserError: no task at all, one that stands twice, or class names that are no list.
    """
    entries = [given] if isinstance(given, Mapping) else given
    named: dict[str, Sequence[str] | None] = {}
    for entry in entries:
        if not isinstance(entry, str | Mapping):
            raise UserError(f"tasks: {entry!r} given; a task is a name, or a name with its class names")
        for name, labels in ({entry: None} if isinstance(entry, str) else entry).items():
            if str(name) in named:
                raise UserError(f"tasks: {given} given; each task stands once")
            if labels is not None and (isinstance(labels, str) or not isinstance(labels, Sequence)):
                raise UserError(f"tasks.{name}: {labels!r} given; it must be a list of class names, or null")
            named[str(name)] = labels
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
