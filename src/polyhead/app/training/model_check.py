"""The check of a model before its weights load: of its names and its size, and of stages that are not reached."""

import logging
import re
from collections.abc import Iterable, Sequence

from polyhead import hardware
from polyhead.freezing.plans import count_parameters
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.losses import MultiTaskLoss
from polyhead.tasks import Task
from polyhead.training.solved_heads import SolvedHeads

log = logging.getLogger(__name__)

_OF_STEPS = (
    "auto_epochs",
    "interpolation",
    "loader.balance",
    "loader.batch_size",
    "model.dropout",
    "model.encoder_dropout",
    "optimizer",
    "trainer.accumulate_grad_batches",
    "trainer.gradient_clip_val",
    "trainer.max_epochs",
    "trainer.max_steps",
    "weighting",
)
"""Beginnings of keys that steps of an optimizer alone depend on."""

_BESIDE_ANSWERS = r"_(probability|set|top\d+(_probability)?)"
"""Ends of the names of columns that stand beside that of a task's answers; each class may have one more."""


def tell_late_stage(epoch: int, max_epochs: object) -> None:
    """Log a line if the last stage of freezing begins after the last epoch of training; a quick try may mean that."""
    if isinstance(max_epochs, int) and 0 < max_epochs <= epoch:
        log.warning(
            "freeze: its last stage begins in epoch %d, counted from 0, and trainer.max_epochs=%d ends before it; set "
            "trainer.max_epochs=%d or more to reach it",
            epoch,
            max_epochs,
            epoch + 1,
        )


def tell_idle_heads(loss: MultiTaskLoss, heads: SolvedHeads | None) -> None:
    """Log a line if heads neither learn from the loss nor are solved at the end: they would fit another encoder."""
    if not loss.trains_heads and not (heads and heads.again):
        log.warning(
            "loss: no head learns from %s, so they stay as they start; "
            "heads=solved heads.again=true solves them at the end",
            type(loss).__name__,
        )


def without_effect(keys: Iterable[str]) -> list[str]:
    """Return those of some keys that change nothing where heads are solved and nothing else is trained."""
    return [key for key in keys if key.startswith(_OF_STEPS)]


def tell_without_effect(keys: Iterable[str]) -> None:
    """Log a line if keys were given that change nothing, because nothing is trained by steps."""
    if idle := without_effect(keys):
        log.warning(
            "%s: without effect, since heads are solved and nothing else is trained; heads=trained takes steps",
            ", ".join(idle),
        )


def column_problems(tasks: Sequence[Task]) -> list[str]:
    """Return a line for each two tasks that would have one column in a table of predictions."""
    return [
        f"tasks: {task.name!r} and {other.name!r} would share the column 'predicted_{other.name}' of predictions; call "
        f"one of them otherwise, and give its column in data.columns={{NAME: {other.name}}}"
        for task in tasks
        for other in tasks
        if re.fullmatch(re.escape(task.name) + _BESIDE_ANSWERS, other.name)
        or other.name in {f"{task.name}_probability_{label}" for label in task.labels}
    ]


def too_large(skeleton: MultiTaskModel) -> list[str]:
    """Return a line if the weights alone are more than the machine's memory."""
    needed, present = 4 * count_parameters(skeleton)[1], hardware.memory_bytes()
    if present is None or needed <= present:
        return []
    sizes = f"{needed / 1e9:,.0f} GB of weights in single precision, and this machine has {present / 1e9:,.0f} GB"
    return [f"encoder: {sizes}; take a smaller one"]
