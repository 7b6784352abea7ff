"""Stopping: when training has lasted long enough. Knows nothing about what is trained."""

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping


class LastStageStopping(EarlyStopping):
    """Stops when a monitored metric no longer gets better, once the last stage of freezing has begun.

    Earlier stages end by plan: heads that have learned all they can are a reason to unfreeze the encoder, not to stop.
    """

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Look at the metric."""
        if _in_last_stage(pl_module):
            super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Look at the metric, where it is one of training."""
        if _in_last_stage(pl_module):
            super().on_train_epoch_end(trainer, pl_module)


def _in_last_stage(module: Any) -> bool:
    return bool(module.stage is module.stages[-1])
