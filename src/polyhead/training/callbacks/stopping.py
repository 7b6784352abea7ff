"""Stopping: when training has lasted long enough. Knows nothing about what is trained."""

import logging
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping

from polyhead.data.datamodule import SentenceData
from polyhead.training.epochs import epoch_is_complete

log = logging.getLogger(__name__)


class LastStageStopping(EarlyStopping):
    """Stops when a monitored metric no longer gets better, once the last stage of freezing has begun.

    Earlier stages end by plan: heads that have learned all they can are a reason to unfreeze the encoder, not to stop.

    A run that was stopped and is resumed stays stopped. Lightning's own would train another epoch; and it takes
    patience from the checkpoint, whatever the resumed run is given.

    Args:
        arguments: of Lightning's EarlyStopping.
        min_rows: labels that the task with the fewest needs in validation; with fewer nothing stops early.
        settings: of Lightning's EarlyStopping.
    """

    _stays_stopped = False

    def __init__(self, *arguments: Any, min_rows: int = 0, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.min_rows = min_rows

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop at once, where the run that is resumed was stopped under the same rule."""
        if self._stays_stopped:
            log.info(
                "stopped early before it was resumed; more patience continues it: callbacks.early_stopping.patience"
            )
            trainer.should_stop = True

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Look at the metric."""
        if _in_last_stage(pl_module) and tells(trainer, self.min_rows):
            super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Look at the metric, where it is one of a whole epoch."""
        if _in_last_stage(pl_module) and epoch_is_complete(trainer) and tells(trainer, self.min_rows):
            super().on_train_epoch_end(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Return what was seen so far, and by which rule it was judged."""
        return {**super().state_dict(), "rule": self._rule}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what was seen, and judge it by this run's own rule."""
        patience = self.patience
        super().load_state_dict(state_dict)
        self.patience = patience
        stopped = self.stopping_reason != type(self.stopping_reason).NOT_STOPPED
        self._stays_stopped = stopped and state_dict.get("rule", self._rule) == self._rule

    @property
    def _rule(self) -> list[float | None]:
        return [self.patience, self.min_delta, self.stopping_threshold, self.divergence_threshold]


def _in_last_stage(module: Any) -> bool:
    return bool(module.stage is module.stages[-1])


def tells(trainer: L.Trainer, min_rows: int) -> bool:
    """Return whether there is validation, and every task with labels in it has ``min_rows`` or more of them."""
    data = getattr(trainer, "datamodule", None)
    return not isinstance(data, SentenceData) or data.fewest_labels("validation") >= max(1, min_rows)
