"""Taken heads: those of a run's start in its model, row by row of the same class."""

import logging
from dataclasses import dataclass, field

import torch

from polyhead.app.training.other_heads import difference, take_head
from polyhead.app.training.start_point import StartPoint
from polyhead.deployment.bundle.folder import linear, plain_head
from polyhead.errors import UserError
from polyhead.models.multitask import MultiTaskModel
from polyhead.tasks import SingleLabel, Task
from polyhead.training.module import MultiTaskTraining

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TakenHeads:
    """Which heads of a model come from elsewhere.

    Args:
        added: by task, the classes that its head has had added; a task that is not there has a head of its own.
    """

    added: dict[str, list[int]] = field(default_factory=dict)

    def new(self, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        """Return the tasks whose heads are new."""
        return tuple(task for task in tasks if task.name not in self.added and task.kind.has_head)

    def unchanged(self, module: MultiTaskTraining) -> list[str]:
        """Return the tasks whose heads the plan would train, and which stay as they are, since no step is taken.

        Solving them over the sentences of now would forget those that they were trained on.
        """
        if module.takes_steps:
            return []
        names = [name for name, classes in self.added.items() if not classes]
        return [name for name in names if any(p.requires_grad for p in module.model.heads[name].parameters())]


def check_classes(start: StartPoint | None, tasks: tuple[Task, ...]) -> None:
    """Check that heads of the start keep all their classes.

    Raises:
        UserError: a task lacks some, one a line.
    """
    if start is None:
        return
    known = {task.name: task.labels for task in start.tasks}
    problems = []
    for task in tasks:
        if task.name in known and task.kind.name != SingleLabel.name:
            problems.append(
                f"tasks.{task.name}: it is {task.kind.name}, and the head of {str(start.folder)!r} has single labels; "
                "call the task otherwise for a new head"
            )
        lacking = [label for label in known.get(task.name, ()) if label not in task.labels]
        if lacking:
            problems.append(
                f"tasks.{task.name}: {', '.join(map(repr, lacking))} missing, which the head of {str(start.folder)!r} "
                f"has; name them in tasks.{task.name}=[...], or call the task otherwise for a new head"
            )
    if problems:
        raise UserError("\n".join(problems))


def _take_other(
    start: StartPoint, source: MultiTaskModel, model: MultiTaskModel, theirs: Task, ours: Task, taken: TakenHeads
) -> None:
    """Take a head of another kind, where it means the same, and log a line for it."""
    reason = difference(theirs, ours)
    if reason is not None:
        log.warning("head of %s: new; that of %s is left behind, %s", ours.name, start.folder, reason)
        return
    take_head(source, model, theirs, ours)
    taken.added[ours.name] = []
    log.info("head of %s: from %s", ours.name, start.folder)


def take_heads(start: StartPoint | None, module: MultiTaskTraining, tasks: tuple[Task, ...]) -> TakenHeads:
    """Put the heads of the start into a model, and log a line for each head.

    Args:
        start: whose encoder the model has; None has no heads.
        module: with the model, whose heads are new.
        tasks: of the model; those of the start have its classes, in any order. Heads of other kinds are taken where
            kind and classes agree.

    Raises:
        UserError: the heads cannot be loaded.
    """
    if start is None:
        return TakenHeads()
    source, model = start.load_model(), module.model
    known = {task.name: task.labels for task in start.tasks}
    others = {task.name: task for task in start.other_tasks if task.kind.has_head}
    taken = TakenHeads()
    for name in sorted({*others} - {task.name for task in tasks}):
        log.warning("head of %s: left behind, since no task has its name; heads of single labels alone are kept", name)
    for task in [task for task in tasks if task.kind.has_head]:
        if task.name in others:
            _take_other(start, source, model, others[task.name], task, taken)
            continue
        if task.name not in known:
            log.info("head of %s: new", task.name)
            continue
        theirs, ours = plain_head(source, task.name), linear(model.heads[task.name])
        rows = torch.tensor([task.labels.index(label) for label in known[task.name]])
        with torch.no_grad():
            ours.weight[rows] = theirs.weight / model.scale
            ours.bias[rows] = theirs.bias
        taken.added[task.name] = [row for row, label in enumerate(task.labels) if label not in known[task.name]]
        new = ", ".join(repr(task.labels[row]) for row in taken.added[task.name])
        log.info("head of %s: from %s%s", task.name, start.folder, f"; new in it: {new}" if new else "")
    _tell_unchanged(start, taken, module, tasks)
    return taken


def _tell_unchanged(start: StartPoint, taken: TakenHeads, module: MultiTaskTraining, tasks: tuple[Task, ...]) -> None:
    """Log which heads learn nothing from the labels that there are."""
    if not (module.takes_steps or taken.new(tasks) or any(taken.added.values())):
        log.warning(
            "start: no head or class is new and the encoder is frozen, so nothing is trained; heads=trained trains "
            "the heads, freeze=none all"
        )
    elif unchanged := taken.unchanged(module):
        log.warning(
            "head of %s: as in %s, whatever labels there are here, since nothing is trained by steps; heads=trained "
            "trains it on, encoder=local encoder.location=%s in the place of start solves all heads anew",
            ", ".join(unchanged),
            start.folder,
            start.folder,
        )
