"""Other heads: those of kinds beside single labels, from a run's start into its model, where they mean the same."""

import torch

from polyhead.deployment.bundle.folder import linear, plain_head
from polyhead.models.multitask import MultiTaskModel
from polyhead.tasks import Task
from polyhead.tasks.number import Number
from polyhead.tasks.ordinal import Ordinal


def difference(theirs: Task, ours: Task) -> str | None:
    """Say why the head of a task cannot be taken for another of its name; None where it can.

    Classes may stand in another order where the order means nothing.
    """
    if theirs.kind.name != ours.kind.name:
        return f"there it is {theirs.kind.name}, and here {ours.kind.name}"
    if isinstance(ours.kind, Ordinal) and theirs.labels != ours.labels:
        return f"there its classes are {', '.join(theirs.labels)}, in this order"
    if set(theirs.labels) != set(ours.labels):
        return f"there its labels are {', '.join(theirs.labels)}"
    return None


def take_head(source: MultiTaskModel, model: MultiTaskModel, theirs: Task, ours: Task) -> None:
    """Put a head into a model, in the order of the classes there, and of numbers in the unit of the spreads there.

    Args:
        source: has the head.
        model: gets it; its encoder is that of ``source``.
        theirs: the task there.
        ours: the same here.
    """
    head, made = plain_head(source, theirs.name), linear(model.heads[ours.name])
    rows = list(range(ours.width))
    if ours.width == len(ours.labels):
        rows = [theirs.labels.index(label) for label in ours.labels]
    factor, shift = _to_unit(theirs, ours)
    with torch.no_grad():
        made.weight.copy_(factor * head.weight[rows] / model.scale)
        made.bias.copy_(factor * head.bias[rows] + shift)


def _to_unit(theirs: Task, ours: Task) -> tuple[float, float]:
    """Return factor and shift from the standardized numbers there to those here; 1 and 0 of other kinds."""
    one, other = theirs.kind, ours.kind
    if not (isinstance(one, Number) and isinstance(other, Number)):
        return 1.0, 0.0
    mean, spread = other.mean or 0.0, other.spread or 1.0
    return (one.spread or 1.0) / spread, ((one.mean or 0.0) - mean) / spread
