"""Task: what one head predicts. Knows nothing about models or tensors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polyhead.errors import UserError
from polyhead.tasks.kind import Kind
from polyhead.tasks.single_label import SingleLabel

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Task:
    """One task.

    Args:
        name: of the head, of the metrics and of the data column.
        labels: class names; a label's position is its class index. None where the kind has no classes.
        kind: what the head predicts.

    Raises:
        UserError: class names that the kind refuses: of single labels fewer than two, or one that stands twice.
    """

    name: str
    labels: tuple[str, ...] = ()
    kind: Kind = field(default_factory=SingleLabel)

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            hint = f"use letters, digits and underscores, and give its column in data.columns={{NAME: {self.name}}}"
            raise UserError(f"tasks: the name {self.name!r} cannot name a head; {hint}")
        self.kind.check_labels(self.name, self.labels)

    @property
    def width(self) -> int:
        """How many logits its head has."""
        return self.kind.width(self.labels)

    @property
    def plain(self) -> Any:
        """Itself as a configuration spells it: the class names of single labels, else an entry for each setting."""
        if self.kind.name == SingleLabel.name:
            return list(self.labels)
        labels = {"labels": list(self.labels)} if self.labels else {}
        return {"kind": self.kind.name, **labels, **self.kind.settings}

    def index(self, label: str | None) -> Any:
        """Return the target of a cell: of single labels the class index; ``MISSING`` for None.

        Raises:
            UserError: the cell is none of the task's.
        """
        if label is None:
            return self.kind.missing(self.labels)
        try:
            return self.kind.read(self.labels, label)
        except UserError as error:
            raise UserError(f"tasks.{self.name}: {error}") from error

    def targets(self, cells: Sequence[str | None]) -> "NDArray[Any]":
        """Return the targets of cells (N,), or (N, C) with a column for each class; missing where a cell is None.

        Raises:
            UserError: a cell that is none of the task's.
        """
        try:
            return self.kind.targets(self.labels, cells)
        except UserError as error:
            raise UserError(f"tasks.{self.name}: {error}") from error

    def as_targets(self, stored: "NDArray[Any]", rows: int) -> "NDArray[Any]":
        """Return targets whose numbers of four bytes were stored one after the other, under their type and shape."""
        import numpy as np

        return stored.view(self.kind.dtype).reshape(rows, *np.shape(self.kind.missing(self.labels)))
