"""The check of a model before its weights load: of what the machine cannot hold, and of stages that are not reached."""

import logging

from polyhead import hardware
from polyhead.freezing.plans import count_parameters
from polyhead.models.multitask import MultiTaskModel

log = logging.getLogger(__name__)


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


def too_large(skeleton: MultiTaskModel) -> list[str]:
    """Return a line if the weights alone are more than the machine's memory."""
    needed, present = 4 * count_parameters(skeleton)[1], hardware.memory_bytes()
    if present is None or needed <= present:
        return []
    sizes = f"{needed / 1e9:,.0f} GB of weights in single precision, and this machine has {present / 1e9:,.0f} GB"
    return [f"encoder: {sizes}; take a smaller one"]
