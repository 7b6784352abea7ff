"""Tasks: the one place that knows class names and counts. Knows nothing about models or tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polyhead.errors import UserError, neighbours

MISSING = -100
"""The label index of a sentence that carries no label for a task; losses and metrics pass over it."""


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
            raise UserError(f"tasks.{self.name}: unknown label {label!r}; {neighbours(label, self.labels)}")
        return self.labels.index(label)


def make_tasks(labels: Mapping[str, Sequence[str]]) -> tuple[Task, ...]:
    """Build the tasks from ``{name: class names}``, in the order given.

    Raises:
        UserError: no task at all, or one that is not well-formed.
    """
    if not labels:
        raise UserError("tasks: none given; name at least one, as in tasks.sentiment=[Neutral,Positive,Negative]")
    return tuple(Task(name, tuple(map(str, names))) for name, names in labels.items())
